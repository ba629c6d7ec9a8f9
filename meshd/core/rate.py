"""How often something happens: learned slowly from yes and no, and forgotten when nothing is heard."""

from __future__ import annotations

from math import exp

from msgspec import Struct

from meshd.core.drift import Odds

_WEIGHT = 0.02
"""Share of a new sample: fifty samples count. At 0.2 a run of five alarms made a tier look useless to the policy, and a
tier that is no longer used gives no samples to correct that. A rate that has become another one
(:mod:`meshd.core.drift`) is believed to be what it was lately, and its next samples count for more."""

_LATELY_WEIGHT = 0.15
"""The same of what happened lately: the last dozen count."""

_LATELY = 8
"""Samples that make a mean as sure as what happened lately."""

_MANY = 1_000
"""Stands for how many samples are behind what nobody doubts."""

_FORGET_S = 300.0
"""Time after which two thirds of what was learned are forgotten: a tier given up for a burst is tried again soon."""


class Rate(Struct, frozen=True, kw_only=True, gc=False):
    """A probability: its prior from elsewhere, and what was learned since."""

    prior: float
    learned: float
    at_s: float
    lately: float
    """The same of the last few samples."""
    odds: Odds = Odds()
    """What tells whether it becomes another."""
    samples: int = _MANY
    """Since it became another."""

    @classmethod
    def believed(cls, prior: float, now: float) -> Rate:
        """Believe a figure from a manifest until samples come."""
        return cls(prior=prior, learned=prior, at_s=now, lately=prior)

    def at(self, now: float) -> float:
        """Return the probability, on its way back to the prior since the last sample."""
        return self.prior + (self.learned - self.prior) * exp(-max(0.0, now - self.at_s) / _FORGET_S)

    def updated(self, *, happened: bool, now: float) -> Rate:
        """Take in one sample."""
        current, kept = self.at(now), exp(-max(0.0, now - self.at_s) / _FORGET_S)
        lately = self.prior + (self.lately - self.prior) * kept
        lately += _LATELY_WEIGHT * (happened - lately)
        odds = self.odds.watched(current, happened=happened)
        if odds.is_broken:
            return Rate(prior=self.prior, learned=lately, at_s=now, lately=lately, samples=0)
        weight = max(_WEIGHT, 1.0 / (self.samples + _LATELY))
        learned, samples = current + weight * (happened - current), self.samples + 1
        return Rate(prior=self.prior, learned=learned, at_s=now, lately=lately, odds=odds, samples=samples)

    @property
    def has_drifted(self) -> bool:
        """Tell whether the last sample was the one that told that it is another rate by now."""
        return self.samples == 0

    @property
    def trend(self) -> float:
        """Return by how much more often it happened lately than it used to."""
        return self.lately - self.learned
