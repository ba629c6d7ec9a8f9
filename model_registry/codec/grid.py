"""The affine grid of 256 levels that pictures of 8 bits lie on once they are normalised, for all or by channel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from model_registry.codec.encoded import REAL, Array, same_bits
from model_registry.encoding import MOST_CHANNELS, Encoding
from model_registry.errors import Undecodable

LEVELS = 256
_ALL = 255
"""Stands for the axis where there is one scale for all."""


class Grid(NamedTuple):
    """What each of the 256 numbers stands for in each channel."""

    axis: int | None
    table: Array
    """real[channels, 256]: computed from scale and zero, or as the values really are."""
    formula: Array | None
    """float64[channels, 2], scale and zero; none where the table says what no formula says to the last bit."""


def grid_of(encoding: Encoding, array: Array) -> Grid | None:
    """Return the grid that a manifest declares, if the array has such channels."""
    channels = len(encoding.scale)
    axis = encoding.axis if channels > 1 else None
    if not channels or array.dtype.name not in REAL:
        return None
    if axis is not None and (axis >= array.ndim or array.shape[axis] != channels):
        return None
    formula = np.array([encoding.scale, encoding.zero or (0.0,) * channels], "<f8").T
    return Grid(axis, _computed(formula, array.dtype), np.ascontiguousarray(formula))


def numbers_on(grid: Grid, array: Array) -> tuple[Array, Grid, bool] | None:
    """Return uint8 numbers, the grid that undoes them, and whether it does so to the last bit; none off the grid."""
    assert grid.formula is not None
    numbers = np.empty(array.shape, np.uint8)
    table = grid.table.copy()
    for channel, (values, places) in enumerate(_channels(grid.axis, array, numbers)):
        scale, zero = grid.formula[channel]
        rounded = np.rint(values * values.dtype.type(1 / scale) + values.dtype.type(zero))
        if not ((rounded >= 0) & (rounded < LEVELS)).all():  # NaN is neither.
            return None
        places[...] = rounded.astype(np.uint8)
        if not same_bits(np.take(grid.table[channel], places), values):
            table[channel, places] = values  # Other arithmetic than ours made them: their own levels are carried.
    if same_bits(table, grid.table):
        return numbers, grid, True
    own = Grid(grid.axis, table, None)
    if same_bits(values_on(own, numbers), array):
        return numbers, own, True
    return numbers, grid, False


def values_on(grid: Grid, numbers: Array) -> Array:
    """Return what the numbers stand for."""
    values = np.empty(numbers.shape, grid.table.dtype)
    for channel, (places, into) in enumerate(_channels(grid.axis, numbers, values)):
        into[...] = np.take(grid.table[channel], places)
    return values


def packed(grid: Grid) -> bytes:
    """Return a grid as bytes: the axis (255: none), the number of channels, 0 and the formula or 1 and the table."""
    head = bytes([_ALL if grid.axis is None else grid.axis, len(grid.table), grid.formula is None])
    if grid.formula is not None:
        return head + grid.formula.astype("<f8").tobytes()
    return head + grid.table.astype(grid.table.dtype.newbyteorder("<")).tobytes()


def unpacked(content: memoryview, dtype: str, shape: tuple[int, ...]) -> tuple[Grid, memoryview]:
    """Return the grid that content begins with, and what follows it.

    Raises:
        Undecodable: it is not whole, or fits no tensor of that dtype and shape.
    """
    if len(content) < 3 or dtype not in REAL:
        raise Undecodable(f"A grid of levels is cut off, or stands before a tensor of {dtype}.")
    axis, channels, own = content[0], content[1], content[2]
    fits = channels == 1 if axis == _ALL else axis < len(shape) and shape[axis] == channels
    element = np.dtype(dtype if own else np.float64).newbyteorder("<")
    end = 3 + channels * (LEVELS if own else 2) * element.itemsize
    if not fits or not 1 <= channels <= MOST_CHANNELS or own > 1 or len(content) < end:
        raise Undecodable(f"A grid of {channels} channels along axis {axis} does not fit the shape {list(shape)}.")
    numbers = np.frombuffer(content[3:end], element).reshape(channels, -1)
    formula = None if own else numbers
    table = numbers.astype(dtype) if own else _computed(numbers, np.dtype(dtype))
    return Grid(None if axis == _ALL else axis, table, formula), content[end:]


def _computed(formula: Array, dtype: np.dtype[np.generic]) -> Array:
    """Return scale * (number - zero), computed in double precision and rounded once."""
    levels: Array = (formula[:, :1] * (np.arange(LEVELS) - formula[:, 1:])).astype(dtype)
    return levels


def _channels(axis: int | None, one: Array, other: Array) -> list[tuple[Array, Array]]:
    """Return both arrays channel by channel, as views."""
    if axis is None:
        return [(one, other)]
    return list(zip(np.moveaxis(one, axis, 0), np.moveaxis(other, axis, 0), strict=True))
