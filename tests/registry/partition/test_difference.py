"""Two answers differ by their largest change, and agree where they name the same class."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

import numpy as np

from model_registry.partition.difference import Difference, difference
from model_registry.tensor import Tensor

SCORES = Tensor(name="scores", dtype="float32", shape=("batch", 3))
NUMBER = Tensor(name="number", dtype="float32", shape=("batch",))


def floats(*rows: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(rows, np.float32)


def test_the_same_bits_do_not_differ_even_where_they_are_no_numbers() -> None:
    scores = {"scores": floats([1, float("nan"), 3])}

    assert difference([(scores, scores)], [SCORES]) == Difference(0.0, 1.0)
    assert difference([(scores, scores)], [SCORES]).none


def test_error_is_the_largest_change_as_a_share_of_the_largest_output() -> None:
    pairs = [
        ({"number": floats(4, 2)}, {"number": floats(4, 2.5)}),
        ({"number": floats(8, 1)}, {"number": floats(8, 1)}),
    ]

    assert difference(pairs, [NUMBER]).error == pytest.approx(0.125)


def test_a_class_counts_and_not_its_score() -> None:
    truth, answer = floats([1, 5, 2], [4, 1, 1], [0, 1, 2]), floats([1, 4, 2], [1, 2, 1], [0, 1, 3])

    assert difference([({"scores": truth}, {"scores": answer})], [SCORES]).agreement == pytest.approx(2 / 3)


def test_every_output_must_agree() -> None:
    truth = {"scores": floats([1, 2, 3], [1, 2, 3]), "number": floats(1, 1)}
    answer = {"scores": floats([1, 2, 3], [3, 2, 1]), "number": floats(0.5, 1)}

    assert difference([(truth, answer)], [SCORES, NUMBER]).agreement == 0


def test_an_answer_of_another_form_differs_without_end() -> None:
    found = difference([({"number": floats(1, 2)}, {"number": floats(1)})], [NUMBER])

    assert found == Difference(float("inf"), 0.0)


def test_numbers_that_became_none_differ_without_end() -> None:
    assert difference([({"number": floats(1)}, {"number": floats(float("nan"))})], [NUMBER]).error == float("inf")
