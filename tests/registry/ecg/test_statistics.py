from __future__ import annotations

import numpy as np
import pytest

from model_registry.zoo.ecg.statistics import (
    auroc,
    clopper_pearson_upper,
    clustered_upper,
    share,
    specificity_threshold,
)


@pytest.mark.parametrize(
    ("misses", "trials", "upper"),
    [
        (0, 59, 1 - 0.05 ** (1 / 59)),  # The rule of three's exact form.
        (1, 10, 0.394163),  # beta.ppf(0.95, 2, 9)
        (8, 352, 0.040633),  # beta.ppf(0.95, 9, 344)
        (10, 10, 1.0),
        (0, 0, 1.0),
    ],
)
def test_clopper_pearson_meets_known_values(misses: int, trials: int, upper: float) -> None:
    assert clopper_pearson_upper(misses, trials, 0.95) == pytest.approx(upper, abs=1e-6)


def test_auroc_counts_ties_half() -> None:
    truth = np.array([False, True, False, True])
    assert auroc(np.array([0.1, 0.9, 0.2, 0.8]), truth) == 1.0
    assert auroc(np.array([0.5, 0.5, 0.5, 0.5]), truth) == 0.5
    assert auroc(np.array([0.3, 0.2, 0.1, 0.4]), truth) == 0.75


def test_auroc_of_one_kind_is_unknown() -> None:
    assert auroc(np.array([0.1, 0.9]), np.array([True, True])) is None


def test_the_share_of_nothing_is_unknown() -> None:
    assert share(np.zeros(0, bool)) is None


@pytest.mark.parametrize(("specificity", "below"), [(0.0, 0), (0.5, 2), (0.51, 3), (1.0, 4)])
def test_a_specificity_threshold_keeps_that_share_of_calm_windows_below(specificity: float, below: int) -> None:
    score, truth = np.array([0.1, 0.2, 0.3, 0.4, 0.9]), np.array([False] * 4 + [True])
    threshold = specificity_threshold(score, truth, specificity)
    assert int((score[~truth] < threshold).sum()) == below


def test_patients_drawn_again_give_a_wider_bound_than_windows() -> None:
    patient = np.repeat(["a", "b", "c", "d", "e"], 60)
    missed = (patient == "a") & (np.arange(300) % 6 == 0)  # All ten misses are one patient's.
    assert clustered_upper(missed, patient, 0.95) > clopper_pearson_upper(10, 300, 0.95) > 10 / 300
