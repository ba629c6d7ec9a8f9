"""Chance for those who draw a scenario: values by name, within what a family's file allows."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import Annotated, TypeVar

import numpy as np
from msgspec import Meta, Struct

from policies.scenario.luck import Luck, salt

NotNegative = Annotated[float, Meta(ge=0.0)]
Range = tuple[NotNegative, NotNegative]
"""The lowest and the highest value. Drawn evenly in the logarithm where both are above 0, else evenly."""
Positive = Annotated[float, Meta(gt=0.0)]
PositiveRange = tuple[Positive, Positive]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
ShareRange = tuple[Share, Share]
CountRange = tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]
"""The lowest and the highest number, both included."""

T = TypeVar("T")


class Dice(Struct, frozen=True, gc=False):
    """Draws by name: what is drawn for one name is the same whatever else is drawn."""

    luck: Luck

    def share(self, *names: str) -> float:
        """Return a number in (0, 1)."""
        return self.luck.uniform(*map(salt, names))

    def happens(self, chance: float, *names: str) -> bool:
        """Tell whether something of this probability happens."""
        return self.share(*names) < chance

    def between(self, limits: Range, *names: str) -> float:
        """Return a value of a range."""
        low, high = limits
        if low > 0.0 and high > 0.0:
            return exp(log(low) + self.share(*names) * (log(high) - log(low)))
        return low + self.share(*names) * (high - low)

    def count(self, limits: CountRange, *names: str) -> int:
        """Return a whole number of a range."""
        low, high = limits
        return low + int(self.share(*names) * (high - low + 1))

    def pick(self, choices: Sequence[T], *names: str) -> T:
        """Return one of several, each as likely."""
        return choices[int(self.share(*names) * len(choices))]

    def factor(self, spread: float, *names: str) -> float:
        """Return a factor with the median 1: exp(spread * normal)."""
        return self.luck.lognormal(spread, *map(salt, names))

    def stream(self, *names: str) -> np.random.Generator:
        """Return a generator of its own for what bears these names."""
        return self.luck.stream(*names)
