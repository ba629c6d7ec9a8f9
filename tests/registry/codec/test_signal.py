"""FLAC: signals come back bit for bit."""

import numpy as np
import pytest

from model_registry.codec.codecs import encode
from model_registry.encoding import Encoding
from tests.registry.codec.pictures import Array, crossed, signal

pytest.importorskip("soundfile", reason="FLAC is in the extra `codecs`")

PLAIN = Encoding(codec="flac", ratio=0.4)
MILLIVOLT = Encoding(codec="flac", ratio=0.2, scale=(1 / 200,))


@pytest.mark.parametrize("shape", [(1, 3600), (7, 500), (3600,), (2, 1, 900), (3, 2, 700), (2, 8, 400), (2, 12, 400)])
def test_whole_numbers_come_back_bit_for_bit_in_fewer_bytes(shape: tuple[int, ...]) -> None:
    array = signal(*shape)
    back, encoded = crossed(array, PLAIN)
    np.testing.assert_array_equal(back, array)
    assert encoded.lossless
    assert len(encoded.content) < 0.8 * array.nbytes


def test_the_extremes_come_back() -> None:
    array = np.repeat(np.array([[-32768, 32767, 0, -1]], np.int16), 300, axis=1)
    np.testing.assert_array_equal(crossed(array, PLAIN)[0], array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_multiples_of_the_declared_scale_come_back_bit_for_bit(dtype: type) -> None:
    array: Array = (signal(2, 900) * (1 / 200)).astype(dtype)
    back, encoded = crossed(array, MILLIVOLT)
    assert encoded.lossless
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("array", "encoding"),
    [
        (np.random.default_rng(4).normal(size=(1, 900)), MILLIVOLT),
        (signal(1, 900) / 200 * 1e4, MILLIVOLT),
        (np.full((1, 900), np.nan), MILLIVOLT),
        (signal(1, 900) / 200, PLAIN),
        (signal(1, 900).astype(np.int32), PLAIN),
        (signal(1, 10), PLAIN),
        (np.zeros((1, 0), np.int16), PLAIN),
        (np.random.default_rng(5).integers(-32768, 32768, (1, 900), np.int16), PLAIN),
    ],
    ids=["off the scale", "too large", "NaN", "no scale", "32 bits", "ten samples", "nothing", "noise"],
)
def test_what_would_lose_a_bit_or_gain_nothing_goes_raw(array: Array, encoding: Encoding) -> None:
    assert encode(array, encoding) is None


def test_a_line_so_flat_that_its_stream_looks_like_a_bomb_goes_raw() -> None:
    assert encode(np.zeros((256, 36_000), np.int16), PLAIN) is None
    assert encode(np.zeros((1, 3600), np.int16), PLAIN) is not None
