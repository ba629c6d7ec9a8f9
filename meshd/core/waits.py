"""Background requests that wait for a cheaper moment, because a policy would rather decide then.

Rules of this file:

- only background requests of this node's own clients may wait, each once, and few of them at a time: they are let go
  all together, and must not be more than this node can then decide about and queue;
- a deadline stays what it is: a request may wait for so long that the soonest way, had its model left memory meanwhile
  and were it three deviations late, would still be in time behind all that wait already and go the same way;
- what ends a wait: this node's radio wakes, for whatever reason, this node begins to charge, it is about to stop, or
  the time is over. Then the policy is asked again, and may not answer to wait.
"""

from __future__ import annotations

from math import inf

from msgspec.structs import replace

from meshd.core.books import Books
from meshd.core.candidate import Candidate, Observation
from meshd.core.explanation import Wait
from meshd.core.ids import RequestId
from meshd.core.life import Life, Step
from meshd.core.patience import end_s, margin_s
from meshd.core.request import Priority

_MOST_WAITING = 32
"""Planning for so many at once takes this node about 10 ms."""

_SURE = 3.0
"""Standard deviations: one prediction in seven hundred is further off, were they normal."""

_LEAST_S = 0.1
"""To wait for less is not worth a decision: no radio falls asleep and wakes in that time."""

RADIO_WOKE = "the radio woke"
CHARGING = "it began to charge"
STOPPING = "this node is about to stop"
TIME_IS_OVER = "it could wait no longer"


class Waits:
    """Who may wait on one node, and what ends that."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._view = books.view
        self._most_s = books.settings.max_wait_s
        self._most = min(_MOST_WAITING, books.settings.max_queued // 2)
        self._needed_s: dict[RequestId, float] = {}
        """What the soonest way of each that waits takes, if much goes wrong."""
        self._wakings = self._chargings = 0
        """Of the radio and of this node, when anybody looked last."""

    def allowing(self, life: Life, observation: Observation, now: float) -> Observation:
        """Return what a policy is to see, with how long the request may wait where it may."""
        if life.request.priority is not Priority.BACKGROUND:
            return observation
        waiting, wait_s = len(self._books.waiting), None
        if self._may_wait(life) and waiting < self._most:
            wait_s = self._bound_s(life, observation, now)
        return replace(observation, wait_s=wait_s, waiting=waiting) if wait_s or waiting else observation

    def begin(self, life: Life, at_most_s: float, now: float) -> Wait:
        """Let a request wait."""
        assert life.choice is not None, "to wait is a choice"
        life.advance(Step.WAIT)
        life.wait, life.look_s = Wait(since_s=now, at_most_s=at_most_s), now + at_most_s
        self._books.waiting[life.request.request_id] = life
        self._needed_s[life.request.request_id] = _soonest_s(life.choice.observation)
        return life.wait

    def end(self, life: Life, ended_by: str, now: float) -> None:
        """Let a request wait no longer."""
        assert life.wait is not None, "only what waits is let go"
        del self._books.waiting[life.request.request_id], self._needed_s[life.request.request_id]
        life.wait.end(ended_by, now)
        life.itinerary.queue_s += now - life.wait.since_s
        life.advance(Step.RELEASE)

    def ended_by(self) -> str:
        """Return what has just happened that ends all waits; empty where nothing has."""
        view, books = self._view, self._books
        wakings, chargings = self._wakings, self._chargings
        self._wakings, self._chargings = view.radio.wakings, view.chargings
        if not books.waiting:
            return ""
        if books.is_draining:
            return STOPPING
        if view.chargings != chargings:
            return CHARGING
        return RADIO_WOKE if view.radio.wakings != wakings else ""

    def _may_wait(self, life: Life) -> bool:
        request = life.request
        is_own = not request.delegated and life.parent is None
        return is_own and life.wait is None and not self._books.is_draining and self._most_s > 0.0

    def _bound_s(self, life: Life, observation: Observation, now: float) -> float | None:
        """Leave time for all that wait already as well: they may be let go just before, and go the same way."""
        needed_s = _soonest_s(observation) + sum(self._needed_s.values())
        left_s = end_s(life) - margin_s(life.request.deadline_s) - now
        bound_s = min(self._most_s, left_s - needed_s)
        return bound_s if bound_s >= _LEAST_S else None


def _soonest_s(observation: Observation) -> float:
    """Return how long the soonest way takes, if much goes wrong; infinity where none is left."""
    allowed = (candidate for candidate in observation.candidates if candidate.reason is None)
    return min(map(_needed_s, allowed), default=inf)


def _needed_s(candidate: Candidate) -> float:
    """Return how long a way takes, if much goes wrong."""
    expected = candidate.prediction
    cold_s = 0.0 if expected.load_s else candidate.tier.load_s
    return expected.total_s + cold_s + _SURE * expected.deviation_s
