"""JPEG: pictures of 8 bits, in either layout, plain or normalised."""

import numpy as np
import pytest
from msgspec.structs import replace

from model_registry.codec.codecs import encode
from model_registry.encoding import Encoding
from tests.registry.codec.pictures import IMAGENET, Array, crossed, normalised, picture

pytest.importorskip("simplejpeg", reason="JPEG is in the extra `codecs`")

PLAIN = Encoding(codec="jpeg", ratio=0.1, quality=95)
SEEN = picture()


@pytest.mark.parametrize(
    "array",
    [
        SEEN,
        SEEN[None],
        np.stack([SEEN, SEEN[::-1]]),
        SEEN.transpose(2, 0, 1)[None],
        SEEN[..., :1],
        SEEN[None, None, ..., 0],
    ],
    ids=["one", "batch of one", "batch", "channels first", "grey", "grey, channels first"],
)
def test_a_picture_comes_back_in_its_layout_and_nearly_the_same(array: Array) -> None:
    back, encoded = crossed(array, PLAIN)
    assert np.abs(back.astype(int) - array).mean() < 2.5
    assert len(encoded.content) < 0.7 * array.nbytes


def test_a_normalised_picture_comes_back_normalised() -> None:
    array = normalised(SEEN)
    back, encoded = crossed(array, replace(IMAGENET, codec="jpeg", quality=95))
    assert np.abs(back - array).mean() < 0.05
    assert len(encoded.content) < 0.2 * array.nbytes


def test_pictures_of_a_batch_do_not_bleed_into_each_other() -> None:
    odd = SEEN[:45]
    alone, _ = crossed(odd[None], PLAIN)
    together, _ = crossed(np.stack([odd, 255 - odd]), PLAIN)
    np.testing.assert_array_equal(together[:1], alone)


def test_a_lower_quality_takes_fewer_bytes() -> None:
    sizes = [len(crossed(SEEN[None], replace(PLAIN, quality=quality))[1].content) for quality in (95, 80, 40)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 32, 32, 2), np.uint8),
        np.zeros((32, 32), np.uint8),
        np.zeros((1, 3, 0, 32), np.uint8),
        np.zeros((1, 32, 32, 3), np.int16),
        normalised(SEEN),
    ],
    ids=["two channels", "no channels", "no rows", "16 bits", "normalised in nobody knows which way"],
)
def test_what_is_no_picture_goes_raw(array: Array) -> None:
    assert encode(array, PLAIN) is None
