"""The grid of 256 levels: the very bits come back, whoever's arithmetic made them, or the tensor goes raw."""

import numpy as np
import pytest
from msgspec.structs import replace

from model_registry.codec.codecs import encode
from model_registry.encoding import Encoding
from tests.registry.codec.pictures import DEVIATION, IMAGENET, MEAN, Array, crossed, normalised, picture

UNIT = Encoding(codec="uint8", ratio=0.25, scale=(1 / 255,))
SEEN = picture()


def _single(numbers: Array) -> Array:
    return ((numbers.astype(np.float32) - np.float32(127.5)) / np.float32(127.5))[None]


def _double(numbers: Array) -> Array:
    real: Array = ((numbers / 255 - MEAN) / DEVIATION).astype(np.float32)
    return real.transpose(2, 0, 1)[None].copy()


def _multiplied(numbers: Array) -> Array:
    return (numbers.astype(np.float32) * np.float32(1 / 255))[None]


@pytest.mark.parametrize(
    ("array", "encoding"),
    [
        (SEEN.astype(np.float32)[None] / 255, UNIT),
        (SEEN[None] / 255, UNIT),
        (_multiplied(SEEN), UNIT),
        (_single(SEEN), Encoding(codec="uint8", ratio=0.25, scale=(1 / 127.5,), zero=(127.5,))),
        (normalised(SEEN), IMAGENET),
        (_double(SEEN), IMAGENET),
        (normalised(SEEN).transpose(0, 2, 3, 1), replace(IMAGENET, axis=3)),
    ],
    ids=["float32", "float64", "times an inverse", "-1 to 1", "ImageNet", "in double", "channels last"],
)
def test_a_picture_comes_back_bit_for_bit_however_it_was_normalised(array: Array, encoding: Encoding) -> None:
    back, encoded = crossed(array, encoding)
    assert encoded.lossless
    assert back.tobytes() == array.tobytes()
    assert len(encoded.content) < array.nbytes // 2


def test_where_the_manifest_promises_the_bits_other_numbers_go_raw() -> None:
    blurred = SEEN.astype(np.float32)[None] / 255
    blurred[0, ::2] *= 0.9999
    assert encode(blurred, UNIT) is None


def test_where_the_manifest_bears_an_error_other_numbers_take_the_nearest_level() -> None:
    blurred = np.random.default_rng(3).uniform(0, 1, (1, 32, 32, 3)).astype(np.float32)
    back, encoded = crossed(blurred, replace(UNIT, error=0.01))
    assert not encoded.lossless
    assert np.abs(back - blurred).max() <= 0.5001 / 255


@pytest.mark.parametrize("number", [1.01, -0.01, np.nan, np.inf])
def test_what_the_grid_would_clip_goes_raw(number: float) -> None:
    array = SEEN.astype(np.float32)[None] / 255
    array[0, 0, 0, 0] = number
    assert encode(array, replace(UNIT, error=0.01)) is None


@pytest.mark.parametrize(
    ("array", "encoding"),
    [
        (normalised(SEEN)[:, :2], IMAGENET),
        (np.zeros((4, 4), np.float32), replace(IMAGENET, axis=3)),
        (SEEN[None], UNIT),
        (np.zeros((1, 64), np.int16), UNIT),
        (np.zeros((1, 64), np.float32), replace(UNIT, scale=())),
    ],
    ids=["two channels", "no such axis", "bytes already", "whole numbers", "no scale"],
)
def test_what_the_declared_grid_does_not_speak_of_goes_raw(array: Array, encoding: Encoding) -> None:
    assert encode(array, encoding) is None
