"""Other ways out of a decision, tried beside the track of what a policy makes of a world.

The running world is copied, the copy goes another way and then on by the policy, and what it costs more than the track
is what the way costs more. Both have the same luck, so they differ by the decision alone.

A try is over when it has come back to the track, as most do within seconds: where the same has been decided at the same
moments for a while, nothing is left of the difference but what a world forgets more slowly. Played on for a minute all
the same, 1 to 12 % of labels differ, most of those by who of later requests met a deadline by a hair. What no try sees,
the end of a battery, is in the price of each joule that brings it nearer (``shortage.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from math import inf
from typing import NamedTuple

from msgspec import Struct

from meshd.core.candidate import WAIT
from meshd.core.policy import Policy
from policies.scenario import Scenario
from policies.shortage import Shortages
from policies.simulator import Choice, Ended, Simulator
from policies.simulator.costs import Entry
from policies.simulator.terrain import number_of


class Reach(Struct, frozen=True, kw_only=True):
    """How far a try goes."""

    look_ahead_s: float = 3.0
    """Behind the end of the request itself, wherever that is later: who waits is in others' way later, and not less."""
    settled_s: float = 2.0
    settled_decisions: int = 8
    """A try is back on the track after so long, and so many decisions in a row, that are the track's."""


class Mark(NamedTuple):
    """One decision of a track."""

    at_s: float
    request_id: str
    way: str
    about_s: str
    """What it was predicted to take, to two digits: worlds whose queues differ do not pass for the same."""
    choice: int


class Track(Struct, frozen=True, kw_only=True):
    """What a policy made of a world."""

    marks: list[Mark]
    entries: list[Entry]
    shortages: Shortages
    last_s: dict[int, float]
    """When anything was last charged for a request."""
    cost: float

    @classmethod
    def of(cls, scenario: Scenario, policy: Policy) -> Track:
        """Play a world to its end."""
        return cls.ahead(Simulator(scenario), policy)

    @classmethod
    def ahead(cls, simulator: Simulator, policy: Policy) -> Track:
        """Play a world from where it stands to its end; its marks are those of what is still to be decided."""
        marks = []
        while (asked := simulator.next_choice()) is not None:
            index = policy.choose(asked.observation, asked.view, asked.now)
            marks.append(mark_of(asked, index))
            simulator.choose(index)
        entries = simulator.costs.since()
        last_s = {entry.request: entry.at_s for entry in entries}  # They are in the order of time.
        shortages = Shortages(simulator.scenario, entries)
        return cls(marks=marks, entries=entries, shortages=shortages, last_s=last_s, cost=simulator.costs.cost)


def mark_of(asked: Choice, index: int) -> Mark:
    """Return what a decision is known by."""
    observation = asked.observation
    if index == WAIT:
        return Mark(asked.now, observation.request_id, "wait", "", index)
    chosen = observation.candidates[index]
    return Mark(asked.now, observation.request_id, chosen.label, f"{chosen.prediction.total_s:.1e}", index)


class Tries:
    """Tries other ways beside one track."""

    def __init__(self, track: Track, policy: Policy, reach: Reach) -> None:
        """``policy`` is the one whose track it is; it must have no memory."""
        self._track = track
        self._policy = policy
        self._reach = reach
        self._numbers = {mark[:2]: number for number, mark in enumerate(track.marks)}

    def further_cost(self, simulator: Simulator, asked: Choice, number: int, way: int) -> float:
        """Return what a way costs beyond the track's at its decision of this number; the simulator stays as it is."""
        copied, n_before = simulator.copy(), len(simulator.costs)
        copied.next_choice()
        copied.choose(way)
        until_s = self._followed(copied, number, number_of(asked.observation.request_id), n_before)

        def spent(entries: Sequence[Entry]) -> float:
            shortages = self._track.shortages
            return sum(
                entry.cost + shortages.price(entry, seen_until_s=until_s)
                for entry in takewhile(lambda entry: entry.at_s < until_s, entries)
            )

        return spent(copied.costs.since(n_before)) - spent(self._track.entries[n_before:])

    def _followed(self, copied: Simulator, number: int, request: int, n_before: int) -> float:
        """Let the policy go on until the try is back on the track, or far enough ahead; return when that was."""
        policy, reach, marks = self._policy, self._reach, self._track.marks
        n_alike, strayed_s, until_s = 0, copied.now, inf
        while (asked := copied.next_choice()) is not None:
            index = policy.choose(asked.observation, asked.view, asked.now)
            mark = mark_of(asked, index)
            number += 1
            if number < len(marks) and marks[number] == mark:
                n_alike += 1
            else:
                number = self._numbers.get(mark[:2], number)
                n_alike, strayed_s = 0, asked.now
            if until_s == inf and self._has_ended(copied, request, n_before):
                until_s = asked.now + reach.look_ahead_s
            is_back = n_alike >= reach.settled_decisions and asked.now - strayed_s >= reach.settled_s
            if asked.now >= until_s or (is_back and until_s < inf):
                return asked.now
            copied.choose(index)
        return inf

    def _has_ended(self, copied: Simulator, request: int, n_before: int) -> bool:
        """Tell whether the request has ended on both."""
        if self._track.last_s.get(request, 0.0) > copied.now:
            return False
        return any(isinstance(entry, Ended) and entry.request == request for entry in copied.costs.since(n_before))
