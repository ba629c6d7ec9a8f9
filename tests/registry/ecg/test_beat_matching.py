from __future__ import annotations

import numpy as np

from model_registry.zoo.ecg.annotation import UNCLASSED, Beats
from model_registry.zoo.ecg.beat_matching import TOLERANCE_SAMPLES, tally

N, S, V = 0, 1, 2


def beats(*marks: tuple[int, int]) -> Beats:
    sample, label = zip(*marks, strict=True) if marks else ((), ())
    return Beats(sample=np.array(sample, np.int32), label=np.array(label, np.int8))


def test_a_mark_counts_up_to_the_tolerance_and_no_further() -> None:
    near = tally([beats((100, V))], [beats((100 + TOLERANCE_SAMPLES, V))]).figures()["V"]
    far = tally([beats((100, V))], [beats((101 + TOLERANCE_SAMPLES, V))]).figures()["V"]
    assert near == {"sensitivity": 1.0, "positive_predictivity": 1.0}
    assert far == {"sensitivity": 0.0, "positive_predictivity": 0.0}


def test_a_wrong_name_is_a_miss_of_one_class_and_a_false_mark_of_another() -> None:
    figures = tally([beats((100, S), (500, V))], [beats((100, V), (500, V))]).figures()
    assert figures["S"] == {"sensitivity": 0.0, "positive_predictivity": None}
    assert figures["V"] == {"sensitivity": 1.0, "positive_predictivity": 0.5}


def test_two_marks_cannot_share_a_beat() -> None:
    figures = tally([beats((100, V))], [beats((95, V), (105, V))]).figures()
    assert figures["V"] == {"sensitivity": 1.0, "positive_predictivity": 0.5}


def test_beats_of_class_q_count_for_nobody() -> None:
    figures = tally([beats((100, UNCLASSED), (500, UNCLASSED))], [beats((100, V))]).figures()
    assert figures["V"] == {"sensitivity": None, "positive_predictivity": None}


def test_an_empty_window_can_only_hold_false_marks() -> None:
    figures = tally([beats()], [beats((100, N))]).figures()
    assert figures["N"] == {"sensitivity": None, "positive_predictivity": 0.0}
