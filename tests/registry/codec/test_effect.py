"""An encoding's ratio, error and agreement are what running the model on both says."""

from collections.abc import Mapping

import numpy as np
import pytest

from model_registry.codec.effect import measured, same_answers
from model_registry.encoding import Encoding
from tests.registry.codec.pictures import Array

HALF = Encoding(codec="fp16", ratio=1)
INT8 = Encoding(codec="int8", ratio=1, axis=1)
UNIT = Encoding(codec="uint8", ratio=1, scale=(1 / 255,))
WEIGHTS = np.random.default_rng(9).normal(size=(512, 5)).astype(np.float32)


def classify(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"logits": tensors["x"].reshape(-1, 512) @ WEIGHTS}


def samples(count: int) -> list[Mapping[str, Array]]:
    random = np.random.default_rng(10)
    return [{"x": random.normal(size=(1, 8, 64)).astype(np.float32), "state": np.ones((1, 4))} for _ in range(count)]


def test_a_lossy_encoding_is_measured_by_what_it_does_to_the_answers() -> None:
    found = measured(INT8, classify, samples(20), names=["x"], described="twenty tensors from a seed")
    assert found.ratio == pytest.approx((1 + 5 * 8 + 512) / 2048, abs=1e-4)
    assert 0 < found.error < 0.05
    assert (found.codec, found.axis, found.samples) == ("int8", 1, "twenty tensors from a seed")


def test_a_finer_encoding_has_the_smaller_error() -> None:
    assert measured(HALF, classify, samples(5)).error < measured(INT8, classify, samples(5)).error


def test_a_lossless_encoding_changes_nothing() -> None:
    numbers = np.random.default_rng(11).integers(0, 256, (1, 512)).astype(np.float32) / 255
    found = measured(UNIT, classify, [{"x": numbers}])
    assert (found.error, found.agreement) == (0.0, 1.0)
    assert found.ratio < 0.27


def test_what_goes_raw_counts_as_raw() -> None:
    found = measured(HALF, lambda tensors: tensors, [{"x": np.full((1, 512), np.inf, np.float32)}])
    assert (found.ratio, found.error) == (1.0, 0.0)


def test_agreement_is_the_share_of_items_whose_answer_stays() -> None:
    def nearly_even(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        return {"score": (tensors["x"] > 0.1).astype(np.float32)[:, 0]}

    items = np.array([[np.nextafter(np.float32(0.1), np.float32(1))], [0.5], [0.0], [0.75]], np.float32)
    assert measured(HALF, nearly_even, [{"x": np.repeat(items, 20, axis=1)}]).agreement == 0.75


@pytest.mark.parametrize(
    ("expected", "found", "share"),
    [
        (np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[1.5, 2.5], [1.0, 2.0]]), 0.5),
        (np.array([0.1, 0.9]), np.array([0.4, 0.6]), 1.0),
        (np.array([[0.1], [0.9]]), np.array([[0.6], [0.6]]), 0.5),
        (np.array(0.2), np.array(0.7), 0.0),
    ],
    ids=["classes", "scores", "one class", "a scalar"],
)
def test_answers_are_the_same_by_class_or_by_side_of_one_half(expected: Array, found: Array, share: float) -> None:
    assert same_answers({"y": expected}, {"y": found}) == share


def test_nothing_is_measured_on_nothing() -> None:
    with pytest.raises(ValueError, match="one sample"):
        measured(HALF, classify, [])
