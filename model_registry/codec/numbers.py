"""`uint8`: a grid of 256 levels, then one byte for each element, C order."""

from __future__ import annotations

from math import prod

import numpy as np

from model_registry.codec.encoded import Array, Encoded
from model_registry.codec.grid import grid_of, numbers_on, packed, unpacked, values_on
from model_registry.encoding import Encoding
from model_registry.errors import Undecodable


def encode(array: Array, encoding: Encoding) -> Encoded | None:
    """Return the numbers of an array that lies on the grid; none where it does not, or not as exactly as declared."""
    grid = grid_of(encoding, array)
    found = numbers_on(grid, array) if grid is not None else None
    if found is None:
        return None
    numbers, own, lossless = found
    if not lossless and not encoding.error:  # The manifest promises the very bits.
        return None
    return Encoded(memoryview(packed(own) + numbers.tobytes()), lossless=lossless)


def decode(content: memoryview, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return real numbers of `shape`.

    Raises:
        Undecodable: the bytes are no grid, or more or fewer numbers than the shape takes.
    """
    grid, rest = unpacked(content, dtype, shape)
    if len(rest) != prod(shape):
        raise Undecodable(f"{len(rest):,} numbers of 8 bits are no {dtype}{list(shape)}.")
    return values_on(grid, np.frombuffer(rest, np.uint8).reshape(shape))
