"""Holds each choice of a learned policy against the heuristic's, and lets that decide where the policy goes astray.

Rules of this file:

- a candidate that is predicted to cost more than the heuristic's by the margins of the policy's record is not taken.
  Waiting costs at most what core's own bounds allow (once, for so long, within the deadline), and has no prediction;
- a decision in which any figure lies further outside what training saw than the record tolerates is the heuristic's:
  prices that an owner has changed are such figures too;
- so is one of which the network says nothing that makes sense.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from meshd.core.candidate import WAIT, Observation
from meshd.core.mesh_view import MeshView
from meshd.core.policy import LeastExpectedCost
from meshd.errors import PolicyFailed
from meshd.policy.features import Features, features
from meshd.policy.layout import CANDIDATE, CONTEXT, Feature
from meshd.policy.learned import LearnedPolicy
from meshd.policy.record import Limits, Ranges


class Why(StrEnum):
    """Why the heuristic decided."""

    COST = "cost"
    UNLIKE = "unlike_training"
    FAILED = "failed"


class Fallback(Struct, frozen=True, kw_only=True):
    """That the heuristic decided in the policy's place."""

    why: Why
    note: str
    """For a person."""


class Guard:
    """A learned policy that is kept from harm."""

    is_steady = True

    def __init__(self, policy: LearnedPolicy) -> None:
        record, tolerance = policy.record, policy.record.limits.tolerance
        self._policy = policy
        self.limits = record.limits
        self._candidates = _Range(CANDIDATE, record.candidate, tolerance)
        self._context = _Range(CONTEXT, record.context, tolerance)
        self.fallback: Fallback | None = None
        """Of the latest choice; none where it was the policy's own."""

    @property
    def name(self) -> str:
        """Return the name of what it guards."""
        return self._policy.name

    @property
    def sha256(self) -> str:
        """Return the hash of the network that it guards."""
        return self._policy.record.sha256

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the policy's choice, or the heuristic's; :attr:`fallback` says which and why."""
        seen = features(observation, view, now)
        index, self.fallback = self._judged(observation, seen)
        return index

    def _judged(self, observation: Observation, seen: Features) -> tuple[int, Fallback | None]:
        if stranger := self._candidates.stranger(seen.candidates) or self._context.stranger(seen.context):
            return seen.rule, self._instead(Why.UNLIKE, f"met {stranger} unlike any in training")
        try:
            index = self._policy.decide(seen)
        except PolicyFailed:
            return seen.rule, self._instead(Why.FAILED, "said nothing that makes sense")
        if index in {WAIT, seen.rule}:
            return index, None
        if is_within(self.limits, observation, index, seen.rule):
            return index, None
        cost, rule_cost = (observation.candidates[at].prediction.cost for at in (index, seen.rule))
        label, told = observation.candidates[index].label, f"{cost * 1e3:.3g} mJ for {rule_cost * 1e3:.3g} mJ"
        return seen.rule, self._instead(Why.COST, f"wanted the {label}, {told}")

    def _instead(self, why: Why, what: str) -> Fallback:
        return Fallback(why=why, note=f"{self.name} {what}, so {LeastExpectedCost.name} chose")


def is_within(limits: Limits, observation: Observation, index: int, rule: int) -> bool:
    """Tell whether a candidate is predicted to cost more than the heuristic's by no more than the margins."""
    cost, rule_cost = (observation.candidates[at].prediction.cost for at in (index, rule))
    return cost <= rule_cost + limits.relative * abs(rule_cost) + limits.absolute_joules


class _Range:
    """What training saw of some columns."""

    def __init__(self, table: tuple[Feature, ...], ranges: Ranges, tolerance: float) -> None:
        self._names = [feature.name for feature in table]
        # Of waiting, most columns say nothing: they are zeros.
        low = np.array([min(0.0, ranges[name][0]) for name in self._names], np.float32)
        high = np.array([max(0.0, ranges[name][1]) for name in self._names], np.float32)
        margin = tolerance * np.maximum(high - low, 1.0)
        self._low, self._high = low - margin, high + margin

    def stranger(self, figures: NDArray[np.float32]) -> str:
        """Return the first column with a figure outside; empty if there is none."""
        outside = (figures < self._low) | (figures > self._high)
        if not outside.any():
            return ""
        return self._names[int(np.argmax(outside.reshape(-1, len(self._names)).any(axis=0)))]
