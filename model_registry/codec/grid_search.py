"""Finds the evenly spaced levels that samples lie on, where they lie on any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model_registry.codec.encoded import REAL, Array
from model_registry.codec.grid import LEVELS
from model_registry.codec.numbers import encode
from model_registry.codec.signal import whole_numbers
from model_registry.encoding import Encoding

_MOST_CHANNELS = 4  # Colours and transparency: what has more axes of its own is no picture.
_USUAL_ZEROS = (0.0, 127.5, 128.0)
_TOLERANCE = 0.01
"""How far from a level a value may lie, in steps: other arithmetic is off by a millionth, other grids by a tenth."""


class _Levels(NamedTuple):
    step: float
    lowest: float
    number: int


def grid_under(samples: Sequence[Array]) -> Encoding | None:
    """Return the grid of 256 levels that all samples lie on bit for bit, for all channels together or for each."""
    for axis in (None, 1, -1):
        encoding = _grid_along(axis, samples)
        if encoding is not None and all(_exact(sample, encoding) for sample in samples):
            return encoding
    return None


def step_under(samples: Sequence[Array]) -> float | None:
    """Return the scale of which all samples are whole multiples of 16 bits, bit for bit."""
    levels = _levels(np.concatenate([sample.ravel() for sample in samples]), 1 << 16) if samples else None
    if levels is None:
        return None
    inverse = round(1 / levels.step) if levels.step < 1 else 0
    likely = [levels.step, float(np.float32(levels.step))]
    if inverse:  # Counts divided by a whole number, or multiplied with its inverse in single precision.
        likely += [1 / inverse, float(np.float32(1 / inverse))]
    return next((step for step in likely if all(whole_numbers(each, step) is not None for each in samples)), None)


def _grid_along(axis: int | None, samples: Sequence[Array]) -> Encoding | None:
    if not samples or any(sample.dtype.name not in REAL or not sample.size for sample in samples):
        return None
    if axis is None:
        parts = [[sample.ravel() for sample in samples]]
    else:
        if samples[0].ndim < 3 or samples[0].shape[axis] > _MOST_CHANNELS:
            return None
        parts = [
            [np.moveaxis(sample, axis, 0)[channel].ravel() for sample in samples]
            for channel in range(samples[0].shape[axis])
        ]
    found = [_levels(np.concatenate(part), LEVELS) for part in parts]
    levels = [each for each in found if each is not None]
    if len(levels) < len(found):
        return None
    return Encoding(
        codec="uint8",
        ratio=1,
        scale=tuple(each.step for each in levels),
        zero=tuple(_zero(each) for each in levels),
        axis=axis % samples[0].ndim if axis is not None and len(levels) > 1 else None,
    )


def _levels(values: Array, most: int) -> _Levels | None:
    """Return the levels under real numbers, if they are `most` at most."""
    if not np.isfinite(values).all():
        return None
    found = np.unique(values).astype(np.float64)
    if not 2 <= len(found) <= most:
        return None
    numbers = (found - found[0]) / np.diff(found).min()
    count = int(np.rint(numbers[-1])) + 1
    if count > most:
        return None
    step = (found[-1] - found[0]) / (count - 1)
    numbers = (found - found[0]) / step
    if np.abs(numbers - np.rint(numbers)).max() > _TOLERANCE:
        return None
    return _Levels(float(step), float(found[0]), count)


def _zero(levels: _Levels) -> float:
    """Return the number that stands for 0. Unless all levels were seen it is a usual one, or leaves equal room."""
    at_lowest = -levels.lowest / levels.step
    spare = LEVELS - levels.number
    for usual in _USUAL_ZEROS:
        below = usual - at_lowest
        if -_TOLERANCE <= below <= spare + _TOLERANCE and abs(below - round(below)) <= _TOLERANCE:
            return usual
    return at_lowest + spare // 2


def _exact(sample: Array, encoding: Encoding) -> bool:
    encoded = encode(sample, encoding)
    return encoded is not None and encoded.lossless
