"""Tells a figure that has become another from one that scatters, from the errors of what was foretold of it.

Source: the two-sided cumulative sum of E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954), with the
reference value and decision interval of D. C. Montgomery, Introduction to Statistical Quality Control, chapter 9; of
yes and no by the logarithm of the likelihood ratio (M. R. Reynolds and Z. G. Stoumbos, J. Quality Technology 31, 1999).
What the figures below give is measured in decision 31.
"""

from __future__ import annotations

from math import log, sqrt

from msgspec import Struct

_ALLOWED = 1.0
"""Deviations by which each sample may err for nothing: what errs by no more is followed as fast without a test."""

_MOST = 3.0
"""Deviations that one sample counts for: what met a pause, however long, is not two samples that say the same."""

_LIMIT = 5.5
"""Sum at which it is another figure: three samples in a row that err by three deviations each, and no two."""

_WEIGHT = 0.05
"""Share of a new sample in what others are held against. What is believed follows four times as fast: held against
that, the second sample of another figure would hardly err any more."""

_FEW = 5
"""Samples that are not held against anything yet: what was announced may have been wrong from the start."""

_MANY = 19
"""Samples whose mean is as sure as that weight makes it."""

_LEAST_SPREAD = 0.1
"""Relative standard deviation that is taken for granted: a figure that moves by a tenth changes no plan."""

_ODDS = 3.0
"""How many times as likely as before something has to be, or as unlikely, to be found soonest."""

_LOG_LIMIT = 6.0
"""Sum of the logarithms at which it is: eight times in a row what had happened once in ten times."""

_LEAST_RATE = 0.005


class Chart(Struct, frozen=True, kw_only=True, gc=False):
    """What the samples of a figure are held against, and how far they have been above and below it."""

    mean: float
    spread: float
    """Standard deviation."""
    samples: int = 0
    above: float = 0.0
    """Sum of what samples were beyond the allowed error, in deviations; less where they were not, and never below 0."""
    below: float = 0.0

    @property
    def is_broken(self) -> bool:
        """Tell whether the samples are of another figure by now."""
        return self.above > _LIMIT or self.below > _LIMIT

    def watched(self, sample: float) -> Chart:
        """Take in one sample; a spread of nothing, around nothing, tells of nothing."""
        spread = max(self.spread, _LEAST_SPREAD * self.mean)
        if spread <= 0.0:
            return Chart(mean=sample, spread=sample)
        error = _bounded((sample - self.mean) / spread)
        above, below = self.above + error - _ALLOWED, self.below - error - _ALLOWED
        samples = self.samples + 1
        if samples <= _FEW:
            above = below = 0.0
        weight = _WEIGHT if samples >= _MANY else 1.0 / (samples + 1)
        return Chart(
            mean=self.mean + weight * error * spread,
            spread=spread * sqrt((1.0 - weight) * (1.0 + weight * error * error)),
            samples=samples,
            above=above if above > 0.0 else 0.0,  # noqa: FURB136 - a call takes three times as long
            below=below if below > 0.0 else 0.0,  # noqa: FURB136
        )


class Odds(Struct, frozen=True, kw_only=True, gc=False):
    """How much more likely what happened was, were it to happen more often, or less often, than is believed."""

    more: float = 0.0
    """Sum of the logarithms of how many times as likely; never below 0."""
    less: float = 0.0

    @property
    def is_broken(self) -> bool:
        """Tell whether it happens as often as was believed no more."""
        return self.more > _LOG_LIMIT or self.less > _LOG_LIMIT

    def watched(self, believed: float, *, happened: bool) -> Odds:
        """Take in one sample of what was believed to happen so often."""
        rate = min(max(believed, _LEAST_RATE), 1.0 - _LEAST_RATE)
        odds = rate / (1.0 - rate)
        return Odds(
            more=max(0.0, self.more + _evidence(rate, odds * _ODDS, happened=happened)),
            less=max(0.0, self.less + _evidence(rate, odds / _ODDS, happened=happened)),
        )


def _bounded(error: float) -> float:
    """Return an error as one sample may count."""
    if error > _MOST:
        return _MOST
    return max(error, -_MOST)


def _evidence(rate: float, odds: float, *, happened: bool) -> float:
    """Return the logarithm of how many times as likely it is at other odds."""
    other = odds / (1.0 + odds)
    return log(other / rate) if happened else log((1.0 - other) / (1.0 - rate))
