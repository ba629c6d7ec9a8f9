"""What other ways out of a decision would have cost, beside the one that was taken.

A world is played twice. The first time a policy plays it, and its track is kept: what it chose, and what that cost. The
second time it is stopped at some of its decisions; for each other way worth a try the running world is copied, the copy
goes that way and then on by the policy, and what it costs more than the track is the label. Both have the same luck, so
they differ by the decision alone.

A try is over when it has come back to the track, as most do within seconds: where the same has been decided at the same
moments for a while, nothing is left of the difference but what a world forgets more slowly. Played on for a minute all
the same, 1 to 12 % of labels differ, most of those by who of later requests met a deadline by a hair. What no try sees,
the end of a battery, is in the price of each joule that brings it nearer (``shortage.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from meshd.core.candidate import WAIT
from meshd.core.policy import LeastExpectedCost, Policy
from meshd.policy.guard import Guard
from meshd.policy.layout import N_CANDIDATE, N_CONTEXT
from meshd.policy.learned import LearnedPolicy
from policies.draft import draft_of
from policies.env import N_ROWS, Rows, Terms, seen_of
from policies.scenario import Scenario
from policies.shortage import Shortages
from policies.simulator import Choice, Ended, Simulator
from policies.simulator.costs import Entry
from policies.simulator.terrain import number_of
from policies.worlds import Worlds


class Lookout(Struct, frozen=True, kw_only=True):
    """How labels are made."""

    look_ahead_s: float = 4.0
    """Behind the end of the request itself, wherever that is later: who waits is in others' way later, and not less."""
    share: float = 0.4
    """Of decisions that are labelled, at most."""
    most_decisions: int = 100
    """About so many of one world: a busy one has no more to teach than many others, and takes as long."""
    settled_s: float = 2.0
    settled_decisions: int = 8
    """A try is back on the track after so long, and so many decisions in a row, that are the track's."""


class Labels(Struct, frozen=True, kw_only=True):
    """Decisions with what their ways would have cost."""

    seen: Rows
    """``float32[n, observation]``"""
    costs: NDArray[np.float32]
    """``float32[n, rows]``: joules, discounted, beyond what the policy's own way cost; infinite where not tried."""
    scales: NDArray[np.float32]
    """``float32[n]``: what a request costs in that world, joules."""

    def __len__(self) -> int:
        """Return how many decisions they are."""
        return len(self.seen)

    def save(self, path: Path) -> None:
        """Write them as .npz, whole or not at all."""
        with draft_of(path) as draft:
            np.savez(draft, seen=self.seen, costs=self.costs, scales=self.scales)

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read them again."""
        with np.load(path) as file:
            return cls(seen=file["seen"], costs=file["costs"], scales=file["scales"])


def joined_labels(parts_of: Sequence[Labels]) -> Labels:
    """Return all as one."""
    return Labels(
        seen=np.concatenate([part.seen for part in parts_of]),
        costs=np.concatenate([part.costs for part in parts_of]),
        scales=np.concatenate([part.scales for part in parts_of]),
    )


class LabelTask(Struct, frozen=True, kw_only=True):
    """One world to be labelled, for a process of its own."""

    worlds: Worlds
    place: tuple[int, int]
    """Of its family and of its seed, in their rows."""
    terms: Terms
    lookout: Lookout
    policy: Path | None = None
    """Whose tracks; none: the heuristic's."""

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return f"labels of {self.worlds.families[self.place[0]]} {self.worlds.first_seed + self.place[1]}"


def label_task(task: LabelTask) -> Labels:
    """Label some decisions of one world."""
    policy = LeastExpectedCost() if task.policy is None else Guard(LearnedPolicy.load(task.policy))
    return label_world(task.worlds.draw(*task.place), policy, task.terms, task.lookout, seed=task.place[1])


def label_world(scenario: Scenario, policy: Policy, terms: Terms, lookout: Lookout, *, seed: int) -> Labels:
    """Label some decisions of one world that a policy without memory plays."""
    track, chance = Track.of(scenario, policy), np.random.default_rng(seed)
    tries = _Tries(track, policy, terms, lookout)
    share = min(lookout.share, lookout.most_decisions / max(1, len(track.marks)))
    simulator, number = Simulator(scenario), 0
    found: list[tuple[Rows, NDArray[np.float32]]] = []
    while (asked := simulator.next_choice()) is not None:
        own = track.marks[number].choice
        if chance.random() < share:
            found.append(tries.label(simulator, asked, number, own))
        simulator.choose(own)
        number += 1
    return Labels(
        seen=np.array([seen for seen, _ in found], np.float32).reshape(-1, N_ROWS * N_CANDIDATE + N_CONTEXT),
        costs=np.array([costs for _, costs in found], np.float32).reshape(-1, N_ROWS),
        scales=np.full(len(found), track.cost / max(1, len(scenario.arrivals)), np.float32),
    )


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
        simulator, marks = Simulator(scenario), []
        while (asked := simulator.next_choice()) is not None:
            index = policy.choose(asked.observation, asked.view, asked.now)
            marks.append(mark_of(asked, index))
            simulator.choose(index)
        entries = simulator.costs.since()
        last_s = {entry.request: entry.at_s for entry in entries}  # They are in the order of time.
        shortages = Shortages(scenario, entries)
        return cls(marks=marks, entries=entries, shortages=shortages, last_s=last_s, cost=simulator.costs.cost)


def mark_of(asked: Choice, index: int) -> Mark:
    """Return what a decision is known by."""
    observation = asked.observation
    if index == WAIT:
        return Mark(asked.now, observation.request_id, "wait", "", index)
    chosen = observation.candidates[index]
    return Mark(asked.now, observation.request_id, chosen.label, f"{chosen.prediction.total_s:.1e}", index)


class _Tries:
    """Tries other ways beside one track."""

    def __init__(self, track: Track, policy: Policy, terms: Terms, lookout: Lookout) -> None:
        self._track = track
        self._policy = policy
        self._terms = terms
        self._lookout = lookout
        self._numbers = {mark[:2]: number for number, mark in enumerate(track.marks)}

    def label(self, simulator: Simulator, asked: Choice, number: int, own: int) -> tuple[Rows, NDArray[np.float32]]:
        """Return what is seen of a decision, and what its ways cost beyond the track's, ``float32[rows]``."""
        seen = seen_of(asked)
        costs = np.full(N_ROWS, inf, np.float32)
        for way in [*seen.shown, *([WAIT] if seen.mask[-1] else [])]:
            costs[seen.row_of(way)] = 0.0 if way == own else self.further_cost(simulator, asked, number, way)
        return seen.rows, costs

    def further_cost(self, simulator: Simulator, asked: Choice, number: int, way: int) -> float:
        """Return what a way costs beyond the track's at its decision of this number; the simulator stays as it is."""
        copied, n_before = simulator.copy(), len(simulator.costs)
        copied.next_choice()
        copied.choose(way)
        until_s = self._followed(copied, number, number_of(asked.observation.request_id), n_before)

        def spent(entries: Sequence[Entry]) -> float:
            rate_per_s, further = self._terms.discount_rate_per_s, self._track.shortages.price
            return sum(
                entry.cost * exp(-rate_per_s * (entry.at_s - asked.now)) + further(entry)
                for entry in entries
                if entry.at_s < until_s
            )

        return spent(copied.costs.since(n_before)) - spent(self._track.entries[n_before:])

    def _followed(self, copied: Simulator, number: int, request: int, n_before: int) -> float:
        """Let the policy go on until the try is back on the track, or far enough ahead; return when that was."""
        policy, lookout, marks = self._policy, self._lookout, self._track.marks
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
                until_s = asked.now + lookout.look_ahead_s
            is_back = n_alike >= lookout.settled_decisions and asked.now - strayed_s >= lookout.settled_s
            if asked.now >= until_s or (is_back and until_s < inf):
                return asked.now
            copied.choose(index)
        return inf

    def _has_ended(self, copied: Simulator, request: int, n_before: int) -> bool:
        """Tell whether the request has ended on both."""
        if self._track.last_s.get(request, 0.0) > copied.now:
            return False
        return any(isinstance(entry, Ended) and entry.request == request for entry in copied.costs.since(n_before))
