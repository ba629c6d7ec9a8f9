"""What a split has to gain over runs that are not split.

The rule: a split is taken where everybody together (the asker, and those whom the run delays) waits at least 1.1 times
less for it than for the soonest whole run of at least its tier, or where it costs at least 1.1 times less than the
cheapest one. What is cheaper among all that is left is the policy's to say.

A wait in this node's queue that both would have is left out of it: behind a long queue everything takes about as long,
and just then a split makes the queue shorter. A split of a model whose input has to stay needs no gain: nothing else of
it can be sent away.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from msgspec import Struct

from meshd.core.candidate import Candidate, Mask, Prediction
from meshd.core.node import DeviceClass

LEAST_GAIN = 1.1
"""Measured predictions of stages err by 1 to 6 %, 12 % at worst: a smaller gain may be none."""


class Bar(Struct, frozen=True, kw_only=True, gc=False):
    """The best of what is not split."""

    seconds: float
    """That everybody waits for the soonest."""
    shared_s: float
    """Of these, what every split would wait as well."""
    cost: float
    """Of the cheapest."""
    soonest: Candidate
    is_open_to_legs: bool
    """Whether privacy leaves no other way to send anything away."""

    def is_met_by(self, split: Prediction) -> bool:
        """Tell whether a split gains enough."""
        return split.burden_s <= self.most_s or split.cost <= self.most_cost

    @property
    def most_s(self) -> float:
        """Return how long everybody may wait for a split."""
        return self.shared_s + (self.seconds - self.shared_s) / LEAST_GAIN

    @property
    def most_cost(self) -> float:
        """Return what a split may cost."""
        return self.cost / LEAST_GAIN

    def why_not_met(self, split: Prediction) -> str:
        """Return the sentence for a person."""
        others = ", the delay for others included" if split.delay_s or self.soonest.prediction.delay_s else ""
        told = f"it would take {_ms(split.burden_s)}, and {self.soonest.label} whole takes {_ms(self.seconds)}{others}"
        return f"{told}; a split has to be {LEAST_GAIN:g} times sooner or cheaper"


class Bars:
    """The bars of all tiers, from one look at every whole run that may be chosen."""

    def __init__(self, wholes: Iterable[Candidate]) -> None:
        n_tiers = len(DeviceClass)
        self._seconds, self._costs, self._waits_here_s = [inf] * n_tiers, [inf] * n_tiers, [0.0] * n_tiers
        self._soonest: list[Candidate | None] = [None] * n_tiers
        may_leave = stays = False
        for whole in wholes:
            if whole.reason is None:
                may_leave = may_leave or not whole.here
                self._take_in(whole)
            elif whole.reason.mask is Mask.PRIVACY and not whole.here:
                stays = True
        self._is_open_to_legs = stays and not may_leave
        self._bars: dict[int, Bar | None] = {}

    def of(self, tier: DeviceClass) -> Bar | None:
        """Return what a split of a tier has to beat; none where no whole run of it or above may be chosen."""
        rank = tier.rank
        if rank not in self._bars:
            self._bars[rank] = self._found(rank)
        return self._bars[rank]

    def _found(self, rank: int) -> Bar | None:
        seconds = min(self._seconds[rank:])
        soonest = self._soonest[self._seconds.index(seconds, rank)]
        if soonest is None:
            return None
        return Bar(
            seconds=seconds,
            shared_s=min(max(self._waits_here_s[rank:]), soonest.prediction.queue_s),
            cost=min(self._costs[rank:]),
            soonest=soonest,
            is_open_to_legs=self._is_open_to_legs,
        )

    def _take_in(self, whole: Candidate) -> None:
        prediction, rank = whole.prediction, whole.tier.tier.rank
        seconds = prediction.burden_s
        self._costs[rank] = min(self._costs[rank], prediction.cost)
        if seconds < self._seconds[rank]:
            self._soonest[rank], self._seconds[rank] = whole, seconds
        if whole.here:
            self._waits_here_s[rank] = prediction.queue_s


def _ms(seconds: float) -> str:
    """Write four digits: two figures that differ have to look different."""
    return f"{seconds * 1e3:.4g} ms"
