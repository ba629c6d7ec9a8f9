"""What is proposed for a tensor follows from what its samples look like."""

import numpy as np
import pytest

from model_registry.codec.codecs import encode
from model_registry.codec.suggestion import suggest
from model_registry.tensor import DType, Tensor
from tests.registry.codec.pictures import DEVIATION, MEAN, Array, normalised, picture, signal

pytest.importorskip("simplejpeg", reason="JPEG is in the extra `codecs`")
pytest.importorskip("soundfile", reason="FLAC is in the extra `codecs`")

SEEN = [picture(), 255 - picture(), picture()[::-1]]


def declared(dtype: DType, *shape: int) -> Tensor:
    return Tensor(name="x", dtype=dtype, shape=shape)


def proposed(tensor: Tensor, samples: list[Array]) -> list[str]:
    return [encoding.codec for encoding in suggest(tensor, samples)]


def test_whole_signals_are_proposed_for_flac() -> None:
    assert proposed(declared("int16", 1, 3600), [signal(1, 3600)]) == ["flac"]


def test_signals_that_were_divided_are_proposed_for_flac_with_their_scale() -> None:
    samples = [(signal(1, 900) / 200).astype(np.float32), (-signal(1, 900) / 200).astype(np.float32)]
    first, *others = suggest(declared("float32", 1, 900), samples)
    assert (first.codec, [other.codec for other in others]) == ("flac", ["fp16", "int8"])
    assert first.scale == pytest.approx([1 / 200])
    assert all(encode(sample, first) is not None for sample in samples)


def test_pictures_of_8_bits_are_proposed_for_jpeg() -> None:
    (only,) = suggest(declared("uint8", 1, 48, 64, 3), [seen[None] for seen in SEEN])
    assert (only.codec, only.scale) == ("jpeg", ())
    assert 0 < only.ratio < 0.7


def test_the_grid_under_normalised_pictures_is_found_channel_by_channel() -> None:
    uint8, jpeg, half, channels = suggest(declared("float32", 1, 3, 48, 64), [normalised(seen) for seen in SEEN])
    assert [each.codec for each in (uint8, jpeg, half, channels)] == ["uint8", "jpeg", "fp16", "int8"]
    assert uint8.axis == 1
    np.testing.assert_allclose(uint8.scale, 1 / 255 / DEVIATION, rtol=1e-5)
    np.testing.assert_allclose(uint8.zero, 255 * MEAN, rtol=1e-4)
    assert (jpeg.scale, jpeg.zero, jpeg.axis) == (uint8.scale, uint8.zero, uint8.axis)
    assert jpeg.ratio < uint8.ratio < half.ratio


def test_one_grid_for_all_channels_is_preferred() -> None:
    first = suggest(declared("float32", 1, 48, 64, 3), [(seen.astype(np.float32) / 255)[None] for seen in SEEN])[0]
    assert (first.codec, first.axis, first.zero) == ("uint8", None, (0.0,))
    assert first.scale == pytest.approx([1 / 255])


def test_a_grid_bears_pictures_brighter_and_darker_than_its_samples() -> None:
    dull = [(np.clip(seen, 60, 200).astype(np.float32) / np.float32(127.5) - 1)[None] for seen in SEEN]
    found = suggest(declared("float32", 1, 48, 64, 3), dull)[0]
    assert found.zero == (127.5,)
    assert encode((SEEN[0].astype(np.float32) / np.float32(127.5) - 1)[None], found) is not None


def test_activations_are_proposed_for_halves_and_for_8_bits_by_channel() -> None:
    activations = np.random.default_rng(8).normal(size=(1, 32, 14, 14)).astype(np.float32)
    half, channels = suggest(declared("float32", 1, 32, 14, 14), [activations])
    assert (half.codec, channels.codec, channels.axis) == ("fp16", "int8", 1)


@pytest.mark.parametrize(
    ("tensor", "samples"),
    [
        (declared("int64", 1, 64), [np.arange(64)[None]]),
        (declared("float32", 1, 900), [np.full((1, 900), np.nan, np.float32)]),
        (declared("int16", 1, 8), [signal(1, 8)]),
        (declared("float32", 1, 900), []),
    ],
    ids=["tokens", "NaN", "eight samples", "nothing seen"],
)
def test_nothing_is_proposed_that_does_not_pay(tensor: Tensor, samples: list[Array]) -> None:
    assert proposed(tensor, samples) == []
