"""What a split has to gain over runs that are not split.

The rule: a split is taken where everybody together (the asker, and those whom the run delays) waits at least 1.1 times
less for it than for the soonest whole run of at least its tier, or where it costs at least 1.1 times less than the
cheapest one. What is cheaper among all that is left is the policy's to say.

A wait in this node's queue that both would have is left out of it: behind a long queue everything takes about as long,
and just then a split makes the queue shorter. A split of a model whose input has to stay needs no gain: nothing else of
it can be sent away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    label: str
    """Of the soonest."""
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
        told = f"it would take {_ms(split.burden_s)}, and {self.label} whole takes {_ms(self.seconds)}"
        return f"{told}; a split has to be {LEAST_GAIN:g} times sooner or cheaper"


def bar_for(tier: DeviceClass, wholes: Sequence[Candidate]) -> Bar | None:
    """Return what a split of a tier has to beat among whole runs that may be chosen; none where there are none."""
    rank, soonest, seconds, cost, wait_here_s = tier.rank, None, inf, inf, 0.0
    for whole in wholes:
        if whole.reason is None and whole.tier.tier.rank >= rank:
            prediction = whole.prediction
            cost = min(cost, prediction.cost)
            if whole.here:
                wait_here_s = prediction.queue_s
            if prediction.burden_s < seconds:
                soonest, seconds = whole, prediction.burden_s
    if soonest is None:
        return None
    return Bar(
        seconds=seconds,
        shared_s=min(wait_here_s, soonest.prediction.queue_s),
        cost=cost,
        label=soonest.label,
        is_open_to_legs=_is_only_offload(wholes),
    )


def _is_only_offload(wholes: Iterable[Candidate]) -> bool:
    """Tell whether privacy forbids whole runs elsewhere, and none is left."""
    elsewhere = [whole.reason for whole in wholes if not whole.here]
    return None not in elsewhere and any(reason is not None and reason.mask is Mask.PRIVACY for reason in elsewhere)


def _ms(seconds: float) -> str:
    """Write four digits: two figures that differ have to look different."""
    return f"{seconds * 1e3:.4g} ms"
