from __future__ import annotations

import numpy as np

from model_registry.zoo.ecg.examination import balanced_accuracy, judged_by_others, loss_interval, mark

RNG = np.random.default_rng(5)
PATIENT = np.repeat(np.array(["101", "119", "205", "220"]), 100)
TRUTH = RNG.random(400) < 0.4
SCORE = np.clip(np.where(TRUTH, 0.8, 0.2) + RNG.normal(0, 0.2, 400), 0.01, 0.99)


def test_the_mean_of_sensitivity_and_specificity_counts_each_kind_alike() -> None:
    truth, flagged = np.array([True] * 2 + [False] * 8), np.array([True, False] + [False] * 6 + [True] * 2)
    assert balanced_accuracy(flagged, truth) == (0.5 + 0.75) / 2


def test_a_patient_s_own_windows_take_no_part_in_the_calibration_that_judges_them() -> None:
    own = PATIENT == "205"
    other = np.where(own, True, TRUTH)
    before, after = judged_by_others(SCORE, TRUTH, PATIENT), judged_by_others(SCORE, other, PATIENT)
    assert (before[own] == after[own]).all()
    assert (before[~own] != after[~own]).any()


def test_a_score_that_is_always_right_is_marked_so_however_it_is_judged() -> None:
    marked = mark(np.where(TRUTH, 0.9, 0.1), TRUTH, PATIENT)
    assert (marked.auroc, marked.balanced_accuracy, marked.of_strangers) == (1.0, 1.0, 1.0)


def test_nothing_is_lost_to_itself_and_what_is_worse_everywhere_loses_for_certain() -> None:
    flagged = SCORE >= 0.5
    same = loss_interval(flagged, flagged, TRUTH, PATIENT)
    assert (same.low, same.high) == (0, 0)
    worse = loss_interval(RNG.random(400) < 0.5, flagged, TRUTH, PATIENT)
    assert 0.2 < worse.low < worse.high < 0.6


def test_drawing_whole_patients_leaves_more_open_than_one_patient_s_failure_shows() -> None:
    failing = np.where(PATIENT == "101", ~TRUTH, TRUTH)
    found = loss_interval(failing, TRUTH, TRUTH, PATIENT)
    assert found.low == 0  # Draws without that patient.
    assert found.high > 0.4  # Draws with it several times.
