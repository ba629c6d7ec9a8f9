"""Half precision: two bytes a number, and nothing that has no room in them."""

import numpy as np
import pytest

from model_registry.codec.codecs import encode
from model_registry.encoding import Encoding
from tests.registry.codec.pictures import Array, crossed

HALF = Encoding(codec="fp16", ratio=0.5)


def test_numbers_come_back_to_the_eleventh_bit() -> None:
    array = np.random.default_rng(1).normal(size=(2, 3, 5)).astype(np.float32)
    back, encoded = crossed(array, HALF)
    assert (len(encoded.content), encoded.lossless) == (array.nbytes // 2, False)
    np.testing.assert_allclose(back, array, rtol=2**-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_that_are_halves_already_come_back_bit_for_bit(dtype: type) -> None:
    array: Array = np.array([[0.0, -0.0, 1.5, -2048.0, 65504.0, 2.0**-24]], dtype)
    back, encoded = crossed(array, HALF)
    assert encoded.lossless
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 65520.0, -1e30])
def test_what_half_precision_has_no_room_for_goes_raw(number: float) -> None:
    assert encode(np.array([1.0, number], np.float32), HALF) is None


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.uint8, np.bool_])
def test_other_element_types_go_raw(dtype: type) -> None:
    assert encode(np.zeros(8, dtype), HALF) is None
