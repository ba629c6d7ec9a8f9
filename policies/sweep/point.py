"""The points of a sweep: what the recipe is changed to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import exp, log
from typing import get_type_hints

import numpy as np
from msgspec import Struct

from policies.errors import TrainingUnusable
from policies.hyperparameters import Hyperparameters
from policies.train import recipe_of

_PLACES = 3
"""Of a number that is drawn, so that a person can read its folder's name."""


class Varied(Struct, frozen=True, kw_only=True):
    """One hyperparameter and what it is varied over: some numbers, or all of [low, high]."""

    name: str
    numbers: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of(cls, text: str) -> Varied:
        """Read ``name=1,2,3`` or ``name=1..3``.

        Raises:
            TrainingUnusable: it is neither, there is no such hyperparameter, or a number is not of its type.

        """
        name, _, told = text.partition("=")
        low, is_range, high = told.partition("..")
        for number in (low, high) if is_range else told.split(","):
            recipe_of(1, [f"{name}={number}"])
        if not is_range:
            return cls(name=name, numbers=tuple(told.split(",")))
        if float(low) > float(high):
            raise TrainingUnusable(f"The range of {name} is upside down.", hint="Write the lower number first.")
        return cls(name=name, low=float(low), high=float(high))

    def draw(self, chance: np.random.Generator) -> str:
        """Return one of the numbers, or one of the range: evenly in the logarithm where that is above 0."""
        if self.numbers:
            return str(chance.choice(self.numbers))
        if self.low > 0.0:
            number = exp(chance.uniform(log(self.low), log(self.high)))
        else:
            number = chance.uniform(self.low, self.high)
        return str(round(number)) if get_type_hints(Hyperparameters)[self.name] is int else f"{number:.{_PLACES}g}"


class Point(Struct, frozen=True, kw_only=True):
    """One way to change the recipe; each seed makes a training of it."""

    changed: dict[str, str]
    """Numbers as they were given, by name."""

    @property
    def name(self) -> str:
        """Return what its folder is called."""
        return ",".join(f"{name}={number}" for name, number in self.changed.items()) or "recipe"

    def recipe(self, seed: int, fixed: Sequence[str]) -> Hyperparameters:
        """Return the recipe; ``fixed`` is changed in all points alike, as ``name=number``.

        Raises:
            TrainingUnusable: a change is none, or of the seed, which is not the recipe's to vary.

        """
        changed = [*fixed, *(f"{name}={number}" for name, number in self.changed.items())]
        if any(one.startswith("seed=") for one in changed):
            raise TrainingUnusable("Every point has the same seeds.", hint="Say how many with --seeds.")
        return recipe_of(seed, changed)


def grid(varied: Sequence[Varied]) -> list[Point]:
    """Return every combination.

    Raises:
        TrainingUnusable: a range has no combinations.

    """
    for one in varied:
        if not one.numbers:
            hint = f"List numbers, as in {one.name}={one.low:g},{one.high:g}, or draw points with --random."
            raise TrainingUnusable(f"{one.name} is a range, which cannot be tried in full.", hint=hint)
    names = [one.name for one in varied]
    combinations = product(*(one.numbers for one in varied))
    return [Point(changed=dict(zip(names, numbers, strict=True))) for numbers in combinations]


def drawn(varied: Sequence[Varied], n_points: int, seed: int) -> list[Point]:
    """Return so many points by chance, each once; fewer where there are no more. The first of more are the same."""
    found = {point.name: point for _, point in zip(range(_TRIES * n_points), _draws(varied, seed), strict=False)}
    return list(found.values())[:n_points]


def _draws(varied: Sequence[Varied], seed: int) -> Iterator[Point]:
    chance = np.random.default_rng(seed)
    while True:
        yield Point(changed={one.name: one.draw(chance) for one in varied})


_TRIES = 20
"""For each point, before it is said that there are no more."""
