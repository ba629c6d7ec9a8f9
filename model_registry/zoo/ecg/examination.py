"""Compare two artifacts on patients that neither has seen, at thresholds that are fixed the same way for both."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from model_registry.zoo.ecg.cascade import flags
from model_registry.zoo.ecg.sigmoid import fit
from model_registry.zoo.ecg.statistics import auroc

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
ROUNDS = 4000


class Mark(Struct, frozen=True, kw_only=True):
    """What one artifact is worth on held-out windows.

    `balanced_accuracy`: at 0.5, its probability calibrated on all of these patients, as the shipped artifacts are.
    `of_strangers`: the same, but each patient is judged by a calibration on the others alone.
    """

    auroc: float
    balanced_accuracy: float
    of_strangers: float


class Interval(Struct, frozen=True, kw_only=True):
    """The middle 95 % when whole patients are drawn again (bootstrap)."""

    low: float
    high: float


def mark(score: Floats, truth: Bools, patient: NDArray[np.str_]) -> Mark:
    """Return the figures of one artifact's probabilities float[windows]."""
    area = auroc(score, truth)
    assert area is not None  # Held-out patients hold windows of both kinds.
    return Mark(
        auroc=area,
        balanced_accuracy=balanced_accuracy(flags(score), truth),
        of_strangers=balanced_accuracy(judged_by_others(score, truth, patient), truth),
    )


def judged_by_others(score: Floats, truth: Bools, patient: NDArray[np.str_]) -> Bools:
    """Return bool[windows]: flagged at 0.5 of a probability calibrated on the other patients."""
    logit = _logit(score)
    flagged = np.zeros(len(truth), bool)
    for name in np.unique(patient):
        own = patient == name
        flagged[own] = flags(fit(logit[~own], truth[~own])(logit[own]))
    return flagged


def balanced_accuracy(flagged: Bools, truth: Bools) -> float:
    """Return the mean of sensitivity and specificity."""
    return float((flagged[truth].mean() + (~flagged[~truth]).mean()) / 2)


def loss_interval(mine: Bools, other: Bools, truth: Bools, patient: NDArray[np.str_], seed: int = 0) -> Interval:
    """Return how much less balanced accuracy `mine` has than `other`, between which bounds.

    Draws without both kinds of windows say nothing and are left out.
    """
    names = np.unique(patient)
    drawn = np.random.default_rng(seed).integers(len(names), size=(ROUNDS, len(names)))
    counts = [_counts(flagged, truth, patient, names) for flagged in (mine, other)]
    shares = [_balanced(count[drawn].sum(1)) for count in counts]
    known = ~np.isnan(shares[0])
    low, high = np.quantile((shares[1] - shares[0])[known], [0.025, 0.975])
    return Interval(low=float(low), high=float(high))


def _counts(flagged: Bools, truth: Bools, patient: NDArray[np.str_], names: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return float64[patients, 4]: found and all anomalous windows, passed and all calm ones."""
    of = [patient == name for name in names]
    rows = [(flagged & truth & own, truth & own, ~flagged & ~truth & own, ~truth & own) for own in of]
    return np.array([[part.sum() for part in row] for row in rows], np.float64)


def _balanced(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    found, anomalous, passed, calm = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((found / anomalous + passed / calm) / 2)


def _logit(score: Floats) -> NDArray[np.float64]:
    inside = np.clip(score.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(inside / (1 - inside)))
