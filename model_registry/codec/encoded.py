"""What an encoder makes, and the bounds that every decoder keeps to."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from model_registry.errors import Undecodable

Array: TypeAlias = NDArray[Any]
REAL = frozenset({"float16", "float32", "float64"})
MOST_BYTES = 64 << 20
"""Of one decoded tensor: as much as the largest frame may carry of raw ones."""
MOST_RATIO = 512
"""Bytes of pictures and signals per byte they are decoded from. A flat line takes FLAC to 585, a black picture JPEG to
140: what lies beyond is sent raw, for a decoder could not tell it from a bomb."""


class Encoded(NamedTuple):
    """One tensor, ready to be sent."""

    content: memoryview
    lossless: bool
    """Whether decoding gives back the very bits."""


def check_room(dtype: str, shape: Sequence[int]) -> None:
    """Make sure that a decoded tensor takes no more than any may; an axis of none does not excuse the others.

    Raises:
        Undecodable: it takes more.
    """
    count = prod(max(1, extent) for extent in shape) * np.dtype(dtype).itemsize
    if count > MOST_BYTES:
        raise Undecodable(f"A tensor of {dtype}{list(shape)} takes {count:,} bytes; {MOST_BYTES:,} may be decoded.")


def within_ratio(decoded_bytes: int, content: memoryview) -> bool:
    """Tell whether a picture or a signal is not suspiciously small for what comes out of it."""
    return decoded_bytes <= MOST_RATIO * len(content)


def same_bits(one: Array, other: Array) -> bool:
    """Tell whether two arrays of one dtype and shape hold the same bits: NaN equals itself, and 0 is not -0."""
    bits = f"u{one.itemsize}"
    return bool(np.array_equal(np.ascontiguousarray(one).view(bits), np.ascontiguousarray(other).view(bits)))
