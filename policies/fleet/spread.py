"""How a stream of numbers is spread, in a memory that does not grow with it.

Each number is counted in a bin whose ends are 2 % apart, so that any quantile is right to within 1 %, and spreads of
parts add up to the spread of the whole whatever the order.

Source: Masson, Rim and Lee 2019, DDSketch (VLDB 12), with bins of both signs.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf, log, sqrt

from msgspec import Struct

_ERROR = 0.01
_GAMMA = (1.0 + _ERROR) / (1.0 - _ERROR)
_LOG_GAMMA = log(_GAMMA)
_SMALLEST, _LARGEST = 1e-9, 1e9
"""What is nearer to 0 counts as 0, what is farther as this: there are never more than 4,200 bins."""
_NORMAL_95 = 1.96


class Spread(Struct, kw_only=True):
    """The numbers seen so far."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    least: float = inf
    most: float = -inf
    counts: dict[int, int] = {}
    """By bin; below 0 for numbers below 0."""

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Spread:
        """Return the spread of some numbers."""
        spread = cls()
        for number in numbers:
            spread.add(number)
        return spread

    def add(self, number: float) -> None:
        """Take in one number."""
        self.n += 1
        self.total += number
        self.squares += number * number
        self.least, self.most = min(self.least, number), max(self.most, number)
        place = _bin(number)
        self.counts[place] = self.counts.get(place, 0) + 1

    def merge(self, other: Spread) -> None:
        """Take in all that another has seen."""
        self.n += other.n
        self.total += other.total
        self.squares += other.squares
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        for place, count in other.counts.items():
            self.counts[place] = self.counts.get(place, 0) + count

    @property
    def mean(self) -> float:
        """Return the mean; there must be a number."""
        return self.total / self.n

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Return the interval of the mean, 95 %, from the normal distribution: for many numbers; none of one."""
        if self.n == 1:
            return None
        variance = max(0.0, self.squares / self.n - self.mean**2) * self.n / (self.n - 1)
        half = _NORMAL_95 * sqrt(variance / self.n)
        return self.mean - half, self.mean + half

    def quantile(self, share: float) -> float:
        """Return the number that this share of all are at most; to within 1 %, the least and the most exactly."""
        if share in {0.0, 1.0}:
            return self.most if share else self.least
        rank, n_before = share * (self.n - 1), 0
        for place in sorted(self.counts):
            n_before += self.counts[place]
            if n_before > rank:
                return min(max(_middle(place), self.least), self.most)
        return self.most


def _bin(number: float) -> int:
    size = min(abs(number), _LARGEST)
    if size < _SMALLEST:
        return 0
    place = 1 + max(0, ceil(log(size / _SMALLEST) / _LOG_GAMMA))
    return place if number > 0.0 else -place


def _middle(place: int) -> float:
    """Return the number that is nowhere in a bin farther off than 1 %."""
    size = _SMALLEST * _GAMMA ** (abs(place) - 1) * 2.0 / (1.0 + _GAMMA) if place else 0.0
    return size if place >= 0 else -size
