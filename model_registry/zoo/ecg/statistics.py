"""Figures of merit and the bounds that go with them, in numpy alone."""

from __future__ import annotations

from collections.abc import Callable
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray


def auroc(score: NDArray[np.floating], truth: NDArray[np.bool_]) -> float | None:
    """Return the chance that an anomalous window scores above a calm one, ties counting half; None without both."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def share(flags: NDArray[np.bool_]) -> float | None:
    """Return the share of flags that are set; None of nothing."""
    return float(flags.mean()) if len(flags) else None


def specificity_threshold(score: NDArray[np.floating], truth: NDArray[np.bool_], specificity: float) -> float:
    """Return the least threshold at which at least `specificity` of the calm windows lie below it."""
    calm = np.sort(score[~truth])
    below = int(np.ceil(specificity * len(calm) - 1e-9))
    return float(np.nextafter(calm[below - 1], np.inf)) if below else float(calm[0])


def clopper_pearson_upper(misses: int, trials: int, confidence: float) -> float:
    """Return the one-sided upper bound of a binomial rate: the rate at which so few misses become implausible.

    Source: Clopper and Pearson, The use of confidence or fiducial limits, Biometrika 26(4), 1934.
    """
    if not trials or misses >= trials:
        return 1.0
    return _root(lambda rate: _binomial_cdf(misses, trials, rate) - (1 - confidence))


def _binomial_cdf(most: int, trials: int, rate: float) -> float:
    counts = np.arange(most + 1)
    choose = np.array([lgamma(trials + 1) - lgamma(k + 1) - lgamma(trials - k + 1) for k in counts])
    return float(np.exp(choose + counts * log(rate) + (trials - counts) * np.log1p(-rate)).sum())


def _root(falling: Callable[[float], float]) -> float:
    low, high = 1e-12, 1 - 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


def clustered_upper(
    missed: NDArray[np.bool_], patient: NDArray[np.str_], confidence: float, seed: int = 0, rounds: int = 4000
) -> float:
    """Return the upper bound of the missed share when whole patients, not windows, are drawn again (bootstrap).

    Windows of one patient are alike, so this is wider than a binomial bound; with a handful of patients it is coarse.
    """
    names = np.unique(patient)
    misses = np.array([missed[patient == name].sum() for name in names])
    windows = np.array([(patient == name).sum() for name in names])
    drawn = np.random.default_rng(seed).integers(len(names), size=(rounds, len(names)))
    return float(np.quantile(misses[drawn].sum(1) / windows[drawn].sum(1), confidence))
