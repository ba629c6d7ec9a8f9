"""`int8`: numbers of 8 bits with a scale and a zero for each channel, set by the tensor's own range.

The range is that of the message and not one from a calibration: nothing is ever clipped, an outlier costs precision in
its own channel alone, and a manifest need not carry a table. It costs 5 bytes a channel.
"""

from __future__ import annotations

from math import prod

import numpy as np

from model_registry.codec.encoded import REAL, Array, Encoded
from model_registry.encoding import Encoding
from model_registry.errors import Undecodable

_STEPS = 254
"""From the lowest number of a channel to its highest: one less than fit, so that the zero can be rounded."""
_HEAD_BYTES = 1
_CHANNEL_BYTES = 5


def encode(array: Array, encoding: Encoding) -> Encoded | None:
    """Return real numbers as 8 bits along the declared axis, or the one that keeps most; none with NaN or infinity."""
    if array.dtype.name not in REAL or not array.ndim or not array.size:
        return None
    real = np.ascontiguousarray(array, np.float32)
    axis = encoding.axis if encoding.axis is not None else quietest_axis(real)
    if axis >= array.ndim:
        return None
    by_channel = _by_channel(real, axis)
    scale, zero = _steps(by_channel)
    if not _countable(scale):
        return None
    channels = len(scale)
    content = np.empty(_HEAD_BYTES + _CHANNEL_BYTES * channels + array.size, np.uint8)
    content[0] = axis
    content[1 : 1 + 4 * channels] = scale.astype("<f4").view(np.uint8)
    content[1 + 4 * channels : 1 + 5 * channels] = zero
    numbers = by_channel * (1 / scale)[:, None]
    numbers += zero[:, None] + np.float32(0.5)
    np.copyto(content[1 + 5 * channels :].reshape(by_channel.shape), numbers, casting="unsafe")
    return Encoded(content.data, lossless=False)


def decode(content: memoryview, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return real numbers of `shape`.

    Raises:
        Undecodable: the bytes do not make up the shape, or a scale is no positive number.
    """
    axis = content[0] if len(content) else len(shape)
    if dtype not in REAL or axis >= len(shape):
        raise Undecodable(f"Numbers of 8 bits by channel make no {dtype}{list(shape)} along axis {axis}.")
    channels = shape[axis]
    if len(content) != _HEAD_BYTES + _CHANNEL_BYTES * channels + prod(shape):
        raise Undecodable(f"{len(content):,} bytes are no {channels} channels of 8 bits for the shape {list(shape)}.")
    scale = np.frombuffer(content, "<f4", channels, 1)
    if not _countable(scale):
        raise Undecodable("A channel's scale is no positive number, or too large for 255 steps of it.")
    zero = np.frombuffer(content, np.uint8, channels, 1 + 4 * channels).astype(np.float32)
    numbers = np.frombuffer(content, np.uint8, offset=1 + 5 * channels).reshape(_folded(shape, axis))
    real = numbers.astype(np.float32)
    real -= zero[:, None]
    real *= scale[:, None]
    return real.reshape(shape).astype(dtype, copy=False)


def quietest_axis(real: Array) -> int:
    """Return the axis along which scales of their own leave the least noise.

    Channels come second, as ONNX's convolutions have them; in [batch, tokens, features] they may as well come last. The
    noise of rounding to steps of `s` has the power s*s/12 (Bennett 1948). Scales for fewer than 64 elements each would
    weigh more than they help.
    """
    axes = [axis for axis in ((1, 2) if real.ndim == 3 else (1,)) if axis < real.ndim]
    axes = [axis for axis in axes if real.shape[axis] <= real.size // 64]
    if len(axes) < 2:
        return axes[0] if axes else 0
    with np.errstate(all="ignore"):
        return min(axes, key=lambda axis: float(np.square(_steps(_by_channel(real, axis))[0]).mean()))


def _countable(scale: Array) -> bool:
    return bool((np.isfinite(scale * np.float32(255)) & (scale > 0)).all())


def _folded(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def _by_channel(real: Array, axis: int) -> Array:
    return real.reshape(_folded(real.shape, axis))


def _steps(by_channel: Array) -> tuple[Array, Array]:
    """Return float32 scales and zeros by channel: 0 is a number itself, so that what ReLU has cut off stays 0."""
    high = np.maximum(by_channel.max(axis=(0, 2)), 0).astype(np.float64)
    low = np.minimum(by_channel.min(axis=(0, 2)), 0).astype(np.float64)
    scale = np.maximum((high - low) / _STEPS, np.finfo(np.float32).tiny)
    zero = np.rint(-low / scale)
    return scale.astype(np.float32), zero.astype(np.float32)
