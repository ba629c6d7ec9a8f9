"""What the requests of one node have really cost, beside what was predicted, by the kind of way that they went."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate
from math import exp, inf, sqrt
from operator import itemgetter
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct
from msgspec.structs import replace

from meshd.core.candidate import Candidate
from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass

MOST = 0.5
"""Of its predicted cost, by which a way may look dearer, and never cheaper: decision 33 says what came of that."""

_FORGET_S = 3_600.0
"""Time after which two thirds of what a kind of way has taught are forgotten: one that was given up is tried again."""

_MOST_LESSONS = 60.0
"""As many count: what came before them fades."""

_FEWEST = 8.0
"""Fewer tell nothing."""

_BELIEVED = 10.0
"""Lessons that what was predicted counts for."""

_SURE = 2.0
"""Standard errors by which a mean has to differ from nothing."""

_NOTICED = 0.1
"""Of the predicted cost: what is off by less changes nothing, for predictions err by as much."""

_FIRST_SPREAD = 0.5
"""Standard deviation of one lesson, while nobody knows better."""

_SPREADS = 3.0
"""One lesson counts for at most so many standard deviations: what met a pause tells nothing of the next."""

_READ_EVERY_S = 5.0
"""Corrections are found anew so often: a decision has no time for all that was learned."""

_MOST_WAYS = 256
"""Kinds of ways that are remembered; of the one that taught last nothing is forgotten."""

_MOST_SHARE = 1e5
"""One request counts for no more, however many joules a node tells of: what is kept has to be read back."""

Finite = Annotated[float, Meta(ge=-_MOST_SHARE, le=_MOST_SHARE)]
Weight = Annotated[float, Meta(ge=0.0, le=_MOST_LESSONS)]


class Kind(StrEnum):
    """How a request goes."""

    WHOLE = "whole"
    STAGES = "stages"
    ITEMS = "items"
    WAIT = "wait"
    """Not yet; the way that was best then names node and tier."""


class Way(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Ways that are corrected together."""

    node_id: NodeId
    """That ends them: the one that runs them whole, or has the last part."""
    tier: DeviceClass
    kind: Kind

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """Return which one a candidate is of."""
        legs, shares = candidate.legs, candidate.shares
        kind = Kind.STAGES if candidate.is_split and legs else Kind.ITEMS if shares else Kind.WHOLE
        last = legs[-1].node_id if legs else shares[-1].node_id if shares else candidate.node_id
        return cls(node_id=last, tier=candidate.tier.tier, kind=kind)


class Tally(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What one kind of way has taught: by which share of what was predicted it cost more, or less."""

    way: Way
    mean: Finite = 0.0
    variance: Annotated[float, Meta(ge=0.0, le=1e12)] = _FIRST_SPREAD**2
    lessons: Weight = 0.0
    """That still count."""
    at_s: float = 0.0

    def learned(self, share: float, now: float) -> Tally:
        """Take in one request; the more it differs, the less of that counts.

        Source: incremental form of weighted mean and variance, T. Finch, "Incremental calculation of weighted mean and
        variance" (2009); the bound on one sample is that of P. J. Huber, "Robust estimation of a location parameter"
        (1964).
        """
        lessons, most = self.lessons_at(now), _SPREADS * sqrt(self.variance)
        believed = min(max(share, -_MOST_SHARE), _MOST_SHARE)
        difference = min(max(believed - self.mean, -most), most)
        weight = 1.0 / (lessons + 1.0)
        slower = 1.0 / (lessons + 3.0)  # A few samples alike do not make the next ones outliers.
        return Tally(
            way=self.way,
            mean=self.mean + weight * difference,
            variance=max(_NOTICED**2, (1.0 - slower) * (self.variance + slower * difference * difference)),
            lessons=min(lessons + 1.0, _MOST_LESSONS),
            at_s=now,
        )

    def lessons_at(self, now: float) -> float:
        """Return how many lessons count now."""
        return self.lessons * exp(min(0.0, self.at_s - now) / _FORGET_S)

    def correction(self, now: float, usual: float = 0.0) -> float:
        """Return the share of its predicted cost by which a way looks dearer: 0 where that is not beyond doubt.

        ``usual`` is by how much other ways cost more than predicted: what they have in common decides nothing.
        """
        lessons = self.lessons_at(now)
        if lessons < _FEWEST:
            return 0.0
        beyond = self.mean - max(0.0, usual) - _SURE * sqrt(self.variance / lessons) - _NOTICED
        if beyond <= 0.0:
            return 0.0
        return min(MOST, beyond * lessons / (lessons + _BELIEVED))


class Kept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept over a restart."""

    format: Literal[1] = 1
    policy: str
    """Whose choices taught it: the hash of a network, or the name of a rule."""
    tallies: tuple[Tally, ...]


class Experience:
    """All that one node has learned under one policy."""

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self._tallies: dict[Way, Tally] = {}
        self._corrections: dict[Way, float] = {}
        self._read_s = -inf
        self.lessons = 0
        """Since the start."""

    def learn(self, way: Way, share: float, now: float) -> None:
        """Take in one request that cost more than predicted by this share."""
        known = self._tallies.pop(way, None) or Tally(way=way)
        self._tallies[way] = known.learned(share, now)
        self.lessons += 1
        if len(self._tallies) > _MOST_WAYS:
            del self._tallies[next(iter(self._tallies))]

    def corrections(self, now: float) -> dict[Way, float]:
        """Return the share of its predicted cost by which each way looks dearer, if any; looked through seldom."""
        if now - self._read_s > _READ_EVERY_S:
            self._corrections, self._read_s = self._read(now), now
        return self._corrections

    def forget(self) -> None:
        """Know nothing."""
        self._tallies.clear()
        self._corrections.clear()

    def _read(self, now: float) -> dict[Way, float]:
        taught = [(tally.mean, tally.lessons_at(now), tally) for tally in self._tallies.values()]
        ranked, found = sorted(taught, key=itemgetter(0)), {}
        for _, _, tally in taught:
            if not tally.correction(now):
                continue  # What others cost can only take from it, and finding that takes long.
            others = [(mean, lessons) for mean, lessons, other in ranked if other is not tally]
            if correction := tally.correction(now, _usual(others)):
                found[tally.way] = correction
        return found

    def kept(self) -> Kept:
        """Return what to keep."""
        return Kept(policy=self._policy, tallies=tuple(self._tallies.values()))

    def remember(self, kept: Kept, now: float) -> bool:
        """Take back what was kept, as if its last lessons had just been: nobody knows how long the device was off.

        Return whether it was this policy that taught it; else nothing is known.
        """
        if kept.policy != self._policy:
            return False
        self._read_s = -inf
        self._tallies = {tally.way: replace(tally, at_s=now) for tally in kept.tallies[-_MOST_WAYS:]}
        return True


def _usual(ranked: Sequence[tuple[float, float]]) -> float:
    """Return the median lesson of ways, of which mean and lessons are given, the cheapest first; 0 of too few lessons.

    Of their mean a single way that is off by a factor makes so much that no other looks dear beside it.
    """
    half = sum(lessons for _, lessons in ranked) / 2.0
    if 2.0 * half < _FEWEST:
        return 0.0
    so_far = accumulate(lessons for _, lessons in ranked)
    return next(mean for (mean, _), lessons in zip(ranked, so_far, strict=True) if lessons >= half)
