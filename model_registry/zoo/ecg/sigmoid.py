"""Platt scaling: the line that turns a logit into an honest probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid:
    """probability = 1 / (1 + exp(-(slope * logit + offset)))."""

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, logit: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return float64[...] in (0, 1)."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * logit.astype(np.float64) + self.offset))))


def fit(logit: NDArray[np.floating], truth: NDArray[np.bool_]) -> Sigmoid:
    """Return the sigmoid of highest likelihood, found by Newton's method, as if both kinds were equally frequent.

    Targets are drawn in a little, so that separable data keep a finite slope.
    Source: Platt, Probabilistic outputs for support vector machines, 1999, section 2.2.
    """
    positives, negatives = truth.sum(), (~truth).sum()
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    weight = len(truth) / 2 / np.where(truth, max(positives, 1), max(negatives, 1))
    design = np.column_stack([logit.astype(np.float64), np.ones(len(logit))])
    line = np.array([1.0, 0.0])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-design @ line))
        gradient = design.T @ (weight * (probability - target)) + 1e-3 * (line - [1.0, 0.0])
        curvature = (design * (weight * probability * (1 - probability))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        line = line - step
        if np.abs(step).max() < 1e-9:
            break
    return Sigmoid(slope=float(line[0]), offset=float(line[1]))
