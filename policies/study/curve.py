"""Curves of misses against joules, and what two of them say at the same joules or the same misses."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from policies.evaluation.summary import Floats


class Curve(Struct, frozen=True, kw_only=True):
    """What a policy takes and misses at each weight of a joule; samples as in :mod:`policies.study.runs`."""

    joules: Floats
    """float64[weights, 1 + draws]"""
    misses: Floats
    """float64[weights, 1 + draws]"""

    def misses_at(self, joules: Floats) -> Floats:
        """Return the least misses for so many joules at most, ``float64[1 + draws]``: NaN where it takes more."""
        return _least_at(self.joules, self.misses, joules)

    def joules_at(self, misses: Floats) -> Floats:
        """Return the least joules for so many misses at most, ``float64[1 + draws]``: NaN where it misses more."""
        return _least_at(self.misses, self.joules, misses)


def _least_at(across: Floats, up: Floats, at: Floats) -> Floats:
    """Return, draw by draw, the least ``up`` that the points allow at ``across``, in lines between their best."""
    return np.array([_least(*figures) for figures in zip(across.T, up.T, at, strict=True)])


def _least(across: Floats, up: Floats, at: float) -> float:
    order = np.argsort(across)
    best = np.minimum.accumulate(up[order])
    return float(np.interp(at, across[order], best, left=np.nan))
