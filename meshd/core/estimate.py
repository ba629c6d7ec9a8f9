"""A figure that was measured some time ago: how large, how sure, how old."""

from __future__ import annotations

from math import sqrt

from msgspec import Struct

_WEIGHT = 0.2
"""Share of a new sample: five samples replace two thirds of what was believed, so a device that slows down is noticed
within a handful of requests while one outlier moves little."""

_PRIOR_SPREAD = 0.5
"""Relative standard deviation of a figure nobody has measured here yet."""

_STALE_AFTER_S = 30.0
"""An age at which the spread has doubled: radios and loads at home change within tens of seconds."""


class Estimate(Struct, frozen=True, kw_only=True, gc=False):
    """Exponentially weighted mean and variance of a non-negative quantity, with the time of the last sample."""

    mean: float
    variance: float
    at_s: float
    samples: int = 0

    @classmethod
    def prior(cls, mean: float, now: float) -> Estimate:
        """Believe a figure from elsewhere (a manifest, a profile) until samples come."""
        return cls(mean=mean, variance=(mean * _PRIOR_SPREAD) ** 2, at_s=now)

    def updated(self, sample: float, now: float) -> Estimate:
        """Take in one sample.

        Source: incremental form of the exponentially weighted variance, T. Finch, "Incremental calculation of
        weighted mean and variance" (2009), section 9.
        """
        difference = sample - self.mean
        step = _WEIGHT * difference
        variance = (1.0 - _WEIGHT) * (self.variance + difference * step)
        return Estimate(mean=self.mean + step, variance=variance, at_s=now, samples=self.samples + 1)

    def deviation(self, now: float) -> float:
        """Return the standard deviation, grown with age, up to that of a figure nobody has measured yet.

        Without that bound a peer that was idle for a day would look so unsure that it would never be tried again.
        """
        measured = sqrt(self.variance)
        unmeasured = self.mean * _PRIOR_SPREAD
        if measured >= unmeasured:
            return measured
        grown = measured * (1.0 + (now - self.at_s) / _STALE_AFTER_S)
        return min(unmeasured, grown)
