"""Arrays like those that models are fed with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.codec.codecs import decode, encode
from model_registry.codec.encoded import Encoded
from model_registry.encoding import Encoding

Array = NDArray[Any]
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
"""Of ImageNet: what its networks subtract and divide by."""
IMAGENET = Encoding(
    codec="uint8",
    ratio=1,
    scale=tuple((1 / 255 / DEVIATION).tolist()),
    zero=tuple((255 * MEAN).tolist()),
    axis=1,
)


def picture(height: int = 48, width: int = 64, channels: int = 3) -> Array:
    """Return uint8[height, width, channels] with every level in it, smooth as photographs are."""
    down, right = np.mgrid[0:height, 0:width]
    waves = [np.sin(down / (5 + channel)) + np.cos(right / (7 + channel)) for channel in range(channels)]
    levels = 127.5 + 63.75 * np.stack(waves, axis=-1)
    levels[0, :, :] = np.linspace(0, 255, width)[:, None]
    return np.rint(levels).astype(np.uint8)


def normalised(numbers: Array) -> Array:
    """Return float32[1, channels, height, width] as networks for ImageNet take it."""
    real = (numbers.astype(np.float32) / 255 - MEAN.astype(np.float32)) / DEVIATION.astype(np.float32)
    return np.ascontiguousarray(real.transpose(2, 0, 1)[None])


def signal(*shape: int) -> Array:
    """Return int16 signals of `shape`, samples last, that a predictor has a chance with."""
    at = np.arange(np.prod(shape)).reshape(shape)
    numbers: Array = np.rint(900 * np.sin(at / 11) + 200 * np.sin(at / 3))
    return numbers.astype(np.int16)


def crossed(array: Array, encoding: Encoding) -> tuple[Array, Encoded]:
    """Return what arrives of an array, and what was sent."""
    encoded = encode(array, encoding)
    assert encoded is not None
    return decode(encoded.content, encoding.codec, array.dtype.name, array.shape), encoded
