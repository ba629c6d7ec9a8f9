from __future__ import annotations

import numpy as np
import pytest

from model_registry.zoo.ecg.calibrate import MISSED, PREVALENCE, Evidence, phone_rule, watch_rule
from model_registry.zoo.ecg.errors import CalibrationError
from model_registry.zoo.ecg.sigmoid import fit


def evidence(anomalous: int, calm: int, apart: float) -> Evidence:
    rng = np.random.default_rng(7)
    truth = np.arange(anomalous + calm) < anomalous
    logit = rng.normal(0, 1, anomalous + calm) + np.where(truth, apart, -apart)
    return Evidence(
        score=(1 / (1 + np.exp(-logit))).astype(np.float32),
        truth=truth,
        patient=np.where(np.arange(len(truth)) % 2 == 0, "a", "b"),
        artifact="1" * 64,
        dataset_sha256="2" * 64,
    )


@pytest.mark.parametrize("apart", [0.2, 1.0, 2.0])
def test_a_rule_keeps_its_promise_however_badly_a_tier_separates(apart: float) -> None:
    for chosen in (watch_rule(evidence(300, 600, apart)), phone_rule(evidence(300, 600, apart))):
        assert chosen.bound.measured_missed <= chosen.bound.missed <= MISSED


def test_a_tier_that_separates_well_is_allowed_fewer_misses_rather_than_fewer_escalations() -> None:
    chosen = watch_rule(evidence(300, 600, 2.5))
    assert chosen.expected_rate == pytest.approx(PREVALENCE + 0.12 * (1 - PREVALENCE), abs=0.01)
    assert chosen.bound.measured_missed < 0.01


def test_the_watch_passes_on_whatever_is_high() -> None:
    assert watch_rule(evidence(300, 600, 1.0)).high is None


def test_too_few_anomalies_are_refused() -> None:
    with pytest.raises(CalibrationError, match="58 anomalous windows are too few"):
        watch_rule(evidence(58, 600, 2.0))


def test_a_sigmoid_finds_the_line_that_made_the_data() -> None:
    rng = np.random.default_rng(3)
    logit = rng.normal(0, 2, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * logit)))
    line = fit(logit, truth)
    assert (line.slope, line.offset) == pytest.approx((0.5, 0.0), abs=0.05)
