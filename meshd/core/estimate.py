"""A figure that was measured some time ago: how large, how sure, how old; and what is left of it after a while."""

from __future__ import annotations

from math import exp, inf, sqrt

from msgspec import Struct

from meshd.core.drift import Chart

_WEIGHT = 0.2
"""Share of a new sample among many: five samples replace two thirds of what was believed, while one outlier moves
little. Samples of another figure altogether are told by :mod:`meshd.core.drift`. The first ones count for more: what
nobody has measured weighs as much as one sample."""

_PRIOR_SPREAD = 0.5
"""Relative standard deviation of a figure nobody has measured here yet."""

_STALE_AFTER_S = 30.0
"""An age at which the spread has doubled: radios and loads at home change within tens of seconds."""

_FORGET_S = 120.0
"""Time behind that age after which two thirds of it are forgotten. A node that was overloaded looks a quarter too slow
after six minutes, and is tried; one that stays slow costs one request in about as long."""

_NOTICED = 0.02
"""A mean that moved by less changes no plan."""


class Estimate(Struct, frozen=True, kw_only=True, gc=False):
    """Exponentially weighted mean and variance of a non-negative quantity, with the time of the last sample."""

    mean: float
    variance: float
    at_s: float
    samples: int = 0
    """Since it was believed first, or became another."""
    faded_s: float = -inf
    """When some of it was forgotten last, after the last sample."""
    is_surprised: bool = False
    """Whether the last sample was so large that it did not count in full."""
    chart: Chart | None = None
    """What tells whether it becomes another; none before the first sample."""
    has_drifted: bool = False
    """Whether the last sample was the one that told."""

    @classmethod
    def prior(cls, mean: float, now: float) -> Estimate:
        """Believe a figure from elsewhere (a manifest, a profile) until samples come."""
        return cls(mean=mean, variance=(mean * _PRIOR_SPREAD) ** 2, at_s=now)

    def updated(self, sample: float, now: float, *, at_most: float = inf) -> Estimate:
        """Take in one sample; the older what is believed, the more it counts.

        ``at_most`` is how many times the mean it counts for, unless the one before was as large: one run that met a
        pause of its process, or of the whole device, tells nothing of the next. Of a figure that has become another
        nothing is believed but the sample that told, as unsure as what nobody has measured.

        Source: incremental form of the exponentially weighted variance, T. Finch, "Incremental calculation of
        weighted mean and variance" (2009), section 9.
        """
        is_surprising = sample > at_most * self.mean > 0.0
        if is_surprising and not self.is_surprised:
            sample = at_most * self.mean
        chart = (self.chart or Chart(mean=self.mean, spread=sqrt(self.variance))).watched(sample)
        if chart.is_broken:
            return self._anew(sample, now)
        difference = sample - self.mean
        fresh, aged = 1.0 - max(_WEIGHT, 1.0 / (self.samples + 2)), self._kept(now, since_s=self.at_s)
        kept = fresh * aged
        step = (1.0 - kept) * difference
        mean = self.mean + step
        unsure = fresh * (1.0 - aged) * (mean * _PRIOR_SPREAD) ** 2  # What took the place of the forgotten share.
        return Estimate(
            mean=mean,
            variance=kept * (self.variance + difference * step) + unsure,
            at_s=now,
            samples=self.samples + 1,
            is_surprised=is_surprising,
            chart=chart,
        )

    def forgotten(self, now: float, believed: float) -> Estimate:
        """Return what is left of it: on its way back to what was believed before, and as unsure as that.

        It makes no difference how often it is asked on the way. The same where hardly anything has changed.
        """
        kept = self._kept(now, since_s=self.faded_s)
        mean, unsure = believed + (self.mean - believed) * kept, (believed * _PRIOR_SPREAD) ** 2
        variance = unsure + (self.variance - unsure) * kept if self.variance > unsure else self.variance
        if abs(mean - self.mean) <= _NOTICED * self.mean and variance >= 0.8 * self.variance:
            return self
        return Estimate(mean=mean, variance=variance, at_s=self.at_s, samples=self.samples, faded_s=now)

    def _anew(self, sample: float, now: float) -> Estimate:
        variance = (sample * _PRIOR_SPREAD) ** 2
        return Estimate(mean=sample, variance=variance, at_s=now, samples=1, has_drifted=True)

    def _kept(self, now: float, *, since_s: float) -> float:
        return exp(min(0.0, max(self.at_s + _STALE_AFTER_S, since_s) - now) / _FORGET_S)

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
