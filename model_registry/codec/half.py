"""`fp16`: every element in half precision, little-endian, C order; nothing else."""

from __future__ import annotations

from math import prod

import numpy as np

from model_registry.codec.encoded import REAL, Array, Encoded, same_bits
from model_registry.encoding import Encoding
from model_registry.errors import Undecodable


def encode(array: Array, _: Encoding) -> Encoded | None:
    """Return float32 or float64 in half precision; none where a number has no room in it."""
    if array.dtype.name not in REAL or array.dtype == np.float16:
        return None
    halves = array.astype("<f2", order="C")
    if not np.isfinite(halves).all():
        return None
    return Encoded(halves.reshape(-1).view(np.uint8).data, lossless=same_bits(halves.astype(array.dtype), array))


def decode(content: memoryview, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return real numbers of `shape`.

    Raises:
        Undecodable: the bytes are more or fewer than the shape takes, or the dtype is not a wider one.
    """
    halves = np.frombuffer(content, "<f2") if len(content) % 2 == 0 else None
    if dtype not in REAL or halves is None or halves.size != prod(shape):
        raise Undecodable(f"{len(content):,} bytes of half precision are no {dtype}{list(shape)}.")
    return halves.reshape(shape).astype(dtype)
