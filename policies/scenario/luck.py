"""Chance without a stream: a number for each name, the same whoever asks, whenever, and in which order.

A decision that runs one stage more or less must not shift anybody else's luck: two policies on one scenario then differ
by what they decide and by nothing else (common random numbers). So a draw is a function of the scenario's seed and of
what it is for, and nothing is used up.

Source of the mixing: SplitMix64 (Steele, Lea and Flood 2014, OOPSLA).
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from math import exp
from statistics import NormalDist

import numpy as np
from msgspec import Struct

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_STANDARD = NormalDist()


@lru_cache(maxsize=1 << 16)
def salt(name: str) -> int:
    """Return a number in [0, 2**64) for a name; compute it once for what is asked often."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


class Luck(Struct, frozen=True, gc=False):
    """All the chance of one scenario. Keys are whole numbers; names become some by :func:`salt`."""

    seed: int

    def uniform(self, *keys: int) -> float:
        """Return a number in (0, 1)."""
        state = _mixed(self.seed & _MASK)
        for key in keys:
            state = _mixed(state ^ (key & _MASK))
        return ((state >> 12) + 0.5) * 2.0**-52

    def normal(self, *keys: int) -> float:
        """Return a draw from a standard normal distribution."""
        return _STANDARD.inv_cdf(self.uniform(*keys))

    def lognormal(self, spread: float, *keys: int) -> float:
        """Return exp(spread * normal): a factor with the median 1."""
        return exp(spread * self.normal(*keys))

    def stream(self, *names: str) -> np.random.Generator:
        """Return a generator of its own for what bears these names, to draw a scenario with."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *map(salt, names)])))


def _mixed(state: int) -> int:
    state = (state + _GOLDEN) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)
