from __future__ import annotations

import numpy as np
import pytest

from model_registry.tier import Bound, Escalation
from model_registry.zoo.ecg.cascade import escalates, verdicts

BOUND = Bound(
    missed=0.05,
    confidence=0.95,
    method="none",
    measured_missed=0.0,
    positives=0,
    dataset_sha256="0" * 64,
    artifact="0" * 64,
    records=(),
)


def rule(low: float, high: float | None = None) -> Escalation:
    return Escalation(score="anomaly", low=low, high=high, expected_rate=0.5, bound=BOUND)


@pytest.mark.parametrize(
    ("score", "passed_on"), [(0.19, False), (0.2, True), (0.79, True), (0.8, False), (np.nan, True)]
)
def test_scores_in_the_half_open_band_and_nan_go_up(score: float, passed_on: bool) -> None:
    assert escalates(rule(0.2, 0.8), np.array([score])).tolist() == [passed_on]


def test_without_an_upper_end_everything_from_low_goes_up() -> None:
    assert escalates(rule(0.2), np.array([0.1, 0.2, 1.0])).tolist() == [False, True, True]


def test_each_window_is_answered_by_the_last_tier_that_looked() -> None:
    nan = np.nan
    watch = np.array([0.1, 0.9, 0.9, 0.9, 0.9, nan])
    phone = np.array([0.9, 0.1, 0.9, 0.5, 0.5, nan])
    hub = np.array([0.9, 0.9, 0.1, 0.4, 0.6, nan])
    made = verdicts(watch, phone, hub, rule(0.2), rule(0.3, 0.8))
    assert made.left_watch.tolist() == [False, True, True, True, True, True]
    assert made.reached_hub.tolist() == [False, False, False, True, True, True]
    assert made.anomalous.tolist() == [False, False, True, False, True, True]
    np.testing.assert_array_equal(made.score, [0.1, 0.1, 0.9, 0.4, 0.6, nan])
