"""Corrects what ways are predicted to cost by what this node's own requests have really cost; a light bandit.

It stands around a policy, within the guard's margins. Rules of this file:

- it learns of each first choice for a request of this node's own clients: by which share of its prediction the whole
  request cost more or less, by the same prices. Joules are as the nodes estimate them; what others are delayed by is
  left out of both;
- it knows ways by the node that ends them, the tier, and whether one node runs it (:mod:`meshd.policy.experience`),
  and corrects the cost of a candidate by a bounded share. Nothing else about a candidate changes, and none that a rule
  forbids becomes allowed: the policy chooses among the same ones;
- waiting has no prediction. It is held against the way that was best when the wait began; where it has come to cost
  more, the policy is not offered it;
- a choice that came of a correction has to pass the same margins as any, by what core itself has predicted;
- what it has learned fades, and one request that met a pause hardly counts.

Greedy, and without a term for curiosity: policies go another way often enough, and fading does the rest. The linear
bandit of the evaluation (``policies/baselines/linucb.py``) learns prices; this one learns who is not as he seems.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_

from msgspec import Struct
from msgspec.structs import replace

from meshd import errors
from meshd.core.candidate import WAIT, Candidate, Observation, Prediction
from meshd.core.ids import RequestId
from meshd.core.mesh_view import MeshView
from meshd.core.policy import LeastExpectedCost, Policy
from meshd.core.settings import Settings
from meshd.policy.experience import Experience, Kind, Way
from meshd.policy.guard import Fallback, Guard, is_within
from meshd.policy.record import Limits

_RULE = LeastExpectedCost()

_MOST_OPEN = 1024
"""Requests whose ends are waited for; the oldest is forgotten first."""

_LEAST_JOULES = 0.002
"""Added to what was predicted, so that what costs next to nothing teaches nothing by chance."""

_NOBODYS = frozenset({errors.Cancelled.code, errors.InvalidInput.code, errors.DuplicateRequest.code})
"""Failures that say nothing of where a request went."""


class _Bet(Struct, frozen=True, kw_only=True, gc=False):
    """What was expected of a request, from some moment on."""

    way: Way
    prediction: Prediction
    price_watts: float
    since_s: float

    def expected(self, settings: Settings) -> float:
        """Return the cost that was predicted, as far as it can be held against what came."""
        told = self.prediction
        misses = settings.miss_price_joules * told.miss_probability
        return told.weighted_joules + self.price_watts * told.total_s + misses

    def realised(self, settings: Settings, joules: float | None, now: float) -> float:
        """Return what it has cost; joules of one that was not answered are what they were to be."""
        weighted_joules, predicted = self.prediction.weighted_joules, self.prediction.joules
        if joules is not None and predicted > 0.0:
            weighted_joules *= joules / predicted
        misses = settings.miss_price_joules * (joules is None)
        return weighted_joules + self.price_watts * (now - self.since_s) + misses


class Adapted:
    """A policy whose predictions are corrected by experience."""

    is_steady = False

    def __init__(self, policy: Policy, settings: Settings, experience: Experience) -> None:
        self.experience = experience
        self.fallback: Fallback | None = None
        """Of the latest choice; none where the heuristic did not decide in the policy's place."""
        self.moved = ""
        """Why the latest choice is another than without experience, for a person; empty where it is not."""
        self._policy = policy
        self._settings = settings
        self._limits = policy.limits if isinstance(policy, Guard) else Limits()
        self._open: dict[RequestId, list[_Bet]] = {}

    @property
    def name(self) -> str:
        """Return the name of what it corrects."""
        return self._policy.name

    @property
    def sha256(self) -> str:
        """Return the hash of the network that it corrects; empty for a rule, which has none."""
        return self._policy.sha256 if isinstance(self._policy, Guard) else ""

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the policy's choice among candidates as they are corrected, where that passes the guard's margins."""
        corrected, self.moved = self._corrected(observation, now), ""
        index, self.fallback = self._ask(observation, view, now)
        if corrected is not observation:
            other, fallback = self._ask(corrected, view, now)
            if other != index and self._passes(observation, other):
                self.moved = _moved(self.name, observation, index, other)
                index, self.fallback = other, fallback
        self._bet(observation, index, now)
        return index

    def answered(self, request_id: RequestId, joules: float, now: float) -> None:
        """Take in what all nodes together spent on a request of this node's own clients that has its answer."""
        self._learn(request_id, joules, now)

    def failed(self, request_id: RequestId, code: str, now: float) -> None:
        """Take in that a request of this node's own clients has ended without an answer."""
        if code in _NOBODYS:
            self.pass_over(request_id)
        else:
            self._learn(request_id, None, now)

    def pass_over(self, request_id: RequestId) -> None:
        """Learn nothing of a request that has ended."""
        self._open.pop(request_id, None)

    def _learn(self, request_id: RequestId, joules: float | None, now: float) -> None:
        for bet in self._open.pop(request_id, ()):
            expected = bet.expected(self._settings)
            beyond = bet.realised(self._settings, joules, now) - expected
            self.experience.learn(bet.way, beyond / (expected + _LEAST_JOULES), now)

    def _ask(self, observation: Observation, view: MeshView, now: float) -> tuple[int, Fallback | None]:
        index = self._policy.choose(observation, view, now)
        return index, self._policy.fallback if isinstance(self._policy, Guard) else None

    def _corrected(self, observation: Observation, now: float) -> Observation:
        """Return what is observed with costs as experience corrects them; the very same where it corrects none."""
        corrections = self.experience.corrections(now)
        if not corrections:
            return observation
        candidates = tuple([_corrected(candidate, corrections) for candidate in observation.candidates])
        wait_s = observation.wait_s
        if wait_s is not None and corrections.get(_wait(observation), 0.0) > 0.0:
            wait_s = None
        if wait_s == observation.wait_s and all(map(is_, candidates, observation.candidates)):
            return observation
        return replace(observation, candidates=candidates, wait_s=wait_s)

    def _passes(self, observation: Observation, index: int) -> bool:
        """Tell whether a choice is within the margins by what core has predicted."""
        return index == WAIT or is_within(self._limits, observation, index, _RULE.choose(observation))

    def _bet(self, observation: Observation, index: int, now: float) -> None:
        """Note what is expected of the first choice for a request, and of having it wait before that."""
        name, bets = observation.request_id, self._open.get(observation.request_id, [])
        if observation.above is not None or (bets and bets[-1].way.kind is not Kind.WAIT):
            return
        chosen = observation.candidates[_RULE.choose(observation) if index == WAIT else index]
        way = _wait(observation) if index == WAIT else Way.of(chosen)
        price_watts = self._settings.price_watts(observation.priority)
        bets.append(_Bet(way=way, prediction=chosen.prediction, price_watts=price_watts, since_s=now))
        self._open[name] = bets
        if len(self._open) > _MOST_OPEN:
            del self._open[next(iter(self._open))]


def _corrected(candidate: Candidate, corrections: Mapping[Way, float]) -> Candidate:
    share = 0.0 if candidate.reason is not None else corrections.get(Way.of(candidate), 0.0)
    if not share:
        return candidate
    told = candidate.prediction
    return replace(candidate, prediction=replace(told, cost=told.cost + share * abs(told.cost)))


def _wait(observation: Observation) -> Way:
    """Return which kind of waiting it would be."""
    best = Way.of(observation.candidates[_RULE.choose(observation)])
    return replace(best, kind=Kind.WAIT)


def _moved(name: str, observation: Observation, index: int, other: int) -> str:
    left, taken = ("to wait" if at == WAIT else f"the {observation.candidates[at].label}" for at in (index, other))
    return f"{name} would have chosen {left}; what such ways have really cost here made it {taken}"
