"""All codecs by name: the two functions that everybody else calls."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Protocol

import numpy as np

from model_registry.codec import channels, half, numbers, picture, signal
from model_registry.codec.encoded import MOST_BYTES, Array, Encoded, check_room
from model_registry.encoding import Encoding
from model_registry.errors import Undecodable


class _Codec(Protocol):
    def encode(self, array: Array, encoding: Encoding, /) -> Encoded | None: ...

    def decode(self, content: memoryview, dtype: str, shape: tuple[int, ...], /) -> Array: ...


_CODECS: Mapping[str, _Codec] = {"uint8": numbers, "fp16": half, "int8": channels, "jpeg": picture, "flac": signal}
_OPTIONAL = {"jpeg": picture.available, "flac": signal.available}


def available() -> tuple[str, ...]:
    """Return the codecs that this node can undo; no library is loaded to find out."""
    return tuple(codec for codec in _CODECS if codec not in _OPTIONAL or _OPTIONAL[codec]())


@cache
def _here() -> frozenset[str]:
    return frozenset(available())


def encode(array: Array, encoding: Encoding) -> Encoded | None:
    """Return an array made smaller, or none where it is better sent raw.

    That is where nothing would be gained, where it is too large to be decoded, or where the codec has no form for it:
    NaN, infinity, numbers off the declared grid, bits lost that the manifest promises to keep, or no library here.
    """
    if array.nbytes > MOST_BYTES or encoding.codec not in _here():
        return None
    with np.errstate(all="ignore"):  # What overflows is looked for, and goes raw.
        encoded = _CODECS[encoding.codec].encode(array, encoding)
    return encoded if encoded is not None and len(encoded.content) < array.nbytes else None


def decode(content: memoryview, codec: str, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return a read-only array of exactly that dtype and shape; how much it takes is known before anything is read.

    Raises:
        Undecodable: the bytes are not that array, or it would be too large.
        CodecMissing: the library of the codec is not installed here.
    """
    check_room(dtype, shape)
    if codec not in _CODECS:
        raise Undecodable(f"There is no codec '{codec}'.")
    with np.errstate(all="ignore"):  # A stranger's numbers overflow as they like.
        array = _CODECS[codec].decode(content, dtype, shape)
    assert (array.dtype, array.shape) == (np.dtype(dtype), shape)
    array.flags.writeable = False
    return array
