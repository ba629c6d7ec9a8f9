"""All runs of a study. What is told of them is computed on samples: a mean first, then that of every redraw of worlds.

Every redraw draws the same worlds for all arms (:func:`policies.evaluation.summary.bootstrap`), so that what is
computed of two samples, entry by entry, is paired, and its interval that of the whole computation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Self

import numpy as np
from msgspec import Struct

from policies.evaluation.summary import Floats, bootstrap, interval
from policies.study.trial import Run

Of = Callable[[Run], float]
REWARD: Of = attrgetter("reward")
MISSES: Of = attrgetter("misses")
JOULES: Of = attrgetter("joules")


class Estimate(Struct, frozen=True, kw_only=True):
    """A figure with its interval of 95 % over worlds."""

    value: float
    low: float | None
    high: float | None
    """None where a family has a single world."""
    told_by: float = 1.0
    """Share of redraws that have such a figure; the interval is of these."""

    @classmethod
    def of(cls, sample: Floats) -> Self | None:
        """Return what a sample comes to; none where the worlds as they are have no such figure."""
        if not np.isfinite(sample[0]):
            return None
        redrawn = sample[1:][np.isfinite(sample[1:])]
        low, high = interval(redrawn) or (None, None)
        return cls(value=float(sample[0]), low=low, high=high, told_by=len(redrawn) / max(1, len(sample) - 1))


class Runs:
    """What was played, by arm and family, in the order of seeds."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs: dict[tuple[str, str], list[Run]] = {}
        for run in sorted(runs, key=lambda run: (run.family, run.seed)):
            self._runs.setdefault((run.arm, run.family), []).append(run)

    @property
    def families(self) -> list[str]:
        """Return their names."""
        return list(dict.fromkeys(family for _, family in self._runs))

    def n_worlds(self, families: Sequence[str]) -> int:
        """Return how many worlds of some families each arm has played."""
        return sum(max(len(runs) for (_, of), runs in self._runs.items() if of == family) for family in families)

    def sample(self, arm: str, of: Of, families: Sequence[str]) -> Floats:
        """Return the mean of a figure, families weighing alike, and the means of redraws: ``float64[1 + draws]``."""
        rows = [np.array([of(run) for run in self._runs[arm, family]]) for family in families]
        return np.concatenate(([np.mean([row.mean() for row in rows])], bootstrap(rows)))

    def estimate(self, arm: str, of: Of, families: Sequence[str]) -> Estimate:
        """Return a figure of an arm."""
        return known(self.sample(arm, of, families))

    def fallbacks(self, arm: str, families: Sequence[str]) -> dict[str, float]:
        """Return the share of decisions in which the guard decided instead, by why."""
        runs = [run for family in families for run in self._runs[arm, family]]
        n_asked = max(1, sum(run.n_asked for run in runs))
        counted = sum((Counter(run.fallbacks) for run in runs), Counter[str]())
        return {why: count / n_asked for why, count in sorted(counted.items())}


def known(sample: Floats) -> Estimate:
    """Return what a sample comes to that has every figure."""
    estimate = Estimate.of(sample)
    assert estimate is not None, "means of runs are numbers"
    return estimate
