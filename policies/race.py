"""Which of two points of a space of parameters is better, without playing every world for the worse one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import sqrt
from typing import Generic, TypeVar

import numpy as np

Parameters = Mapping[str, object]
World = TypeVar("World")

_LEAST_WORLDS = 6
"""Before anybody is given up."""
_ERRORS = 2.0


class Race(Generic[World]):
    """Points that are held against each other, world by world.

    Who is behind by two standard errors of the paired difference, or exactly as good, is given up before all worlds are
    played (racing: Maron and Moore 1994, with paired differences as in F-Race, Birattari et al. 2002).
    """

    def __init__(self, cost: Callable[[Parameters, World], float], worlds: Sequence[World]) -> None:
        """``cost`` is what a request costs in the mean in one world; it is asked once for each point and world."""
        self._cost = cost
        self._worlds = worlds
        self._known: dict[tuple[Hashable, int], float] = {}

    def is_better(self, challenger: Parameters, champion: Parameters) -> bool:
        """Tell whether a request costs less in the mean over all worlds at the challenger's point."""
        ahead: list[float] = []
        for place in range(len(self._worlds)):
            ahead.append(self._known_cost(champion, place) - self._known_cost(challenger, place))
            if len(ahead) >= _LEAST_WORLDS and _is_hopeless(ahead):
                return False
        return sum(ahead) > 0.0

    def _known_cost(self, point: Parameters, place: int) -> float:
        key = (repr(sorted(point.items())), place)
        if key not in self._known:
            self._known[key] = self._cost(point, self._worlds[place])
        return self._known[key]


def _is_hopeless(ahead: Sequence[float]) -> bool:
    return float(np.mean(ahead)) + _ERRORS * float(np.std(ahead, ddof=1)) / sqrt(len(ahead)) <= 0.0
