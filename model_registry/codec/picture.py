"""`jpeg`: pictures of 8 bits with one or three channels; normalised ones through their grid.

The layout (0: channels last, 1: channels first), whether a grid follows, the grid, the length of each item's JPEG in
four bytes, and the JPEGs. Items of a batch are pictures of their own: none bleeds into the next.
"""

from __future__ import annotations

import struct
from importlib.util import find_spec
from math import prod
from typing import Any, NamedTuple

import numpy as np

from model_registry.codec.encoded import Array, Encoded, within_ratio
from model_registry.codec.grid import Grid, grid_of, numbers_on, packed, unpacked, values_on
from model_registry.codec.jpeg_header import check_jpeg
from model_registry.encoding import Encoding
from model_registry.errors import CodecMissing, Undecodable
from model_registry.extra import installing

_LENGTH = struct.Struct("<I")
_COLOURS = {1: ("GRAY", "Gray"), 3: ("RGB", "444")}
"""Colour space and subsampling by channels: colours keep their full resolution, for networks look at them."""
_MOST_PICTURES = 1024
"""In one tensor: a tiny one takes a decoder as long as 16 KB of a large one."""
_LONGEST = 65_500  # A side of a JPEG: libjpeg-turbo's own bound.


class _Layout(NamedTuple):
    channels_first: bool
    pictures: int
    height: int
    width: int
    channels: int


def available() -> bool:
    """Tell whether this node has the library, without loading it."""
    return find_spec("simplejpeg") is not None


def encode(array: Array, encoding: Encoding) -> Encoded | None:
    """Return pictures at the declared quality; none for what is no picture, or not on its grid."""
    layout = _layout_of(array.shape)
    seen = _numbers(array, encoding)
    if layout is None or seen is None or encoding.quality is None:
        return None
    numbers, grid = seen
    pictures = _channels_last(numbers, layout)
    streams = [_compressed(picture, encoding.quality) for picture in pictures]
    lengths = b"".join(map(_LENGTH.pack, map(len, streams)))
    head = bytes([layout.channels_first, grid is not None]) + (packed(grid) if grid is not None else b"")
    content = memoryview(b"".join((head, lengths, *streams)))
    if not all(within_ratio(pictures[0].size, memoryview(stream)) for stream in streams):
        return None
    return Encoded(content, lossless=False)


def decode(content: memoryview, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return pictures of `shape`.

    Raises:
        Undecodable: a picture is not of that shape by its own header, is broken, or something follows it.
        CodecMissing: simplejpeg is not installed.
    """
    if len(content) < 2 or content[0] > 1 or content[1] > 1:
        raise Undecodable("Encoded pictures begin with neither of the two layouts.")
    layout = _layout(shape, channels_first=bool(content[0]))
    if layout is None or (dtype != "uint8" and not content[1]):
        raise Undecodable(f"A tensor of {dtype}{list(shape)} holds no pictures.")
    grid, rest = unpacked(content[2:], dtype, shape) if content[1] else (None, content[2:])
    pictures = _decompressed(_streams(rest, layout.pictures), layout)
    numbers = pictures.transpose(0, 3, 1, 2) if layout.channels_first else pictures
    numbers = numbers.reshape(shape)
    return np.ascontiguousarray(numbers) if grid is None else values_on(grid, numbers)


def _numbers(array: Array, encoding: Encoding) -> tuple[Array, Grid | None] | None:
    if array.dtype == np.uint8:
        return array, None
    grid = grid_of(encoding, array)
    found = numbers_on(grid, array) if grid is not None else None
    return None if found is None else (found[0], grid)


def _layout_of(shape: tuple[int, ...]) -> _Layout | None:
    return _layout(shape, channels_first=True) or _layout(shape, channels_first=False)


def _layout(shape: tuple[int, ...], *, channels_first: bool) -> _Layout | None:
    if len(shape) not in {3, 4} or not prod(shape):
        return None
    pictures, *item = shape if len(shape) == 4 else (1, *shape)
    channels, height, width = item if channels_first else (item[2], item[0], item[1])
    if channels not in _COLOURS or max(height, width) > _LONGEST or pictures > _MOST_PICTURES:
        return None
    return _Layout(channels_first, pictures, height, width, channels)


def _channels_last(numbers: Array, layout: _Layout) -> Array:
    """Return uint8[pictures, height, width, channels]."""
    if layout.channels_first:
        numbers = numbers.reshape(layout.pictures, layout.channels, layout.height, layout.width).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(numbers).reshape(layout.pictures, layout.height, layout.width, layout.channels)


def _compressed(picture: Array, quality: int) -> bytes:
    space, sampling = _COLOURS[picture.shape[2]]
    stream: bytes = _library().encode_jpeg(picture, quality=quality, colorspace=space, colorsubsampling=sampling)
    return stream


def _streams(rest: memoryview, count: int) -> list[memoryview]:
    """Return each item's JPEG.

    Raises:
        Undecodable: the lengths do not take up what follows them.
    """
    if len(rest) < _LENGTH.size * count:
        raise Undecodable(f"The lengths of {count:,} pictures are cut off.")
    lengths = np.frombuffer(rest, "<u4", count).astype(np.int64)
    if lengths.sum() != len(rest) - _LENGTH.size * count:
        raise Undecodable(f"{count:,} pictures take {lengths.sum():,} bytes by their lengths, and others came.")
    ends = (_LENGTH.size * count + lengths.cumsum()).tolist()
    return [rest[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]


def _decompressed(streams: list[memoryview], layout: _Layout) -> Array:
    library = _library()
    size = layout.height * layout.width * layout.channels
    for stream in streams:
        check_jpeg(stream, layout.height, layout.width, layout.channels)
        if not within_ratio(size, stream):
            raise Undecodable(f"A JPEG of {len(stream):,} bytes announces {size:,}, which is a bomb.")
    pictures = np.empty((layout.pictures, layout.height, layout.width, layout.channels), np.uint8)
    space = _COLOURS[layout.channels][0]
    for stream, picture in zip(streams, pictures, strict=True):
        try:
            library.decode_jpeg(stream, colorspace=space, buffer=picture)
        except ValueError as error:
            raise Undecodable(f"A JPEG is broken: {error}") from error
    return pictures


def _library() -> Any:
    try:
        import simplejpeg  # noqa: PLC0415 - an optional extra that loads a library.
    except ImportError as error:
        raise CodecMissing(
            "JPEG needs simplejpeg, which is not installed.", hint=f"Run: {installing('codecs')}"
        ) from error
    return simplejpeg
