"""Inputs for a trial: zeros, or values drawn from the artifact's hash, as small or as large as the manifest allows."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.manifest import Manifest
from model_registry.tensor import Axis, Tensor

Array = NDArray[Any]
Extents = dict[str, int]

_SAMPLES = 1_000
"""Integers of 16 bits are mostly samples of a sensor: 1,000 lies well inside every one's range."""


_DRAWN = np.dtype("<i2")
_WIDTH = 12**0.5
"""Of even chances with variance 1."""
WAY_OF_DRAWING = 2
"""Changes with the values that a seed gives: answers to others are void."""


def golden_inputs(manifest: Manifest, artifact: str, *, drawn: bool = True) -> dict[str, Array]:
    """Return the inputs whose answers an admission keeps: the same for the same artifact, everywhere."""
    return make_inputs(manifest, smallest(manifest.axes), seed=artifact if drawn else None)


def make_inputs(manifest: Manifest, extents: Extents, *, seed: str | None) -> dict[str, Array]:
    """Return inputs with axes of these lengths: drawn from `seed`, a hash in hex, or all zeros without one."""
    if seed is None:
        return {t.name: np.full(_shape(t, extents), 0, t.dtype) for t in manifest.inputs}
    random = Random(seed)  # noqa: S311 - to be guessed by anybody. numpy's would take 2 MB of a daemon that has none.
    return {t.name: _draw(random, np.dtype(t.dtype), _shape(t, extents)) for t in manifest.inputs}


def smallest(axes: Mapping[str, Axis]) -> Extents:
    """Return every axis at its minimum."""
    return {name: axis.min for name, axis in axes.items()}


def largest(axes: Mapping[str, Axis]) -> Extents:
    """Return every axis at its maximum."""
    return {name: axis.max for name, axis in axes.items()}


def input_bytes(manifest: Manifest, extents: Extents) -> int:
    """Return what inputs with axes of these lengths occupy."""
    return sum(prod(_shape(t, extents)) * np.dtype(t.dtype).itemsize for t in manifest.inputs)


def output_flaw(tensor: Tensor, array: Array, axes: Mapping[str, Axis], extents: Extents) -> str:
    """Return in what an output is not what the manifest promises for inputs of these extents, or nothing.

    Its values are not looked at: zeros may lie far from anything that the model was made for.
    """
    if array.dtype != tensor.dtype:
        return f"output '{tensor.name}' is {array.dtype} and was to be {tensor.dtype}"
    if array.ndim != len(tensor.shape):
        return f"output '{tensor.name}' has {array.ndim} axes and was to have {len(tensor.shape)}"
    for index, (extent, found) in enumerate(zip(tensor.shape, array.shape, strict=True)):
        low, high = _allowed(extent, axes, extents)
        if not low <= found <= high:
            return f"output '{tensor.name}' has {found} elements on axis {index} and was to have {extent}"
    return ""


def _allowed(extent: int | str, axes: Mapping[str, Axis], extents: Extents) -> tuple[int, int]:
    if isinstance(extent, int):
        return extent, extent
    known = extents.get(extent)
    return (known, known) if known is not None else (axes[extent].min, axes[extent].max)


def _shape(tensor: Tensor, extents: Extents) -> tuple[int, ...]:
    return tuple(extent if isinstance(extent, int) else extents[extent] for extent in tensor.shape)


def _draw(random: Random, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    drawn = np.frombuffer(random.randbytes(prod(shape) * _DRAWN.itemsize), _DRAWN).reshape(shape)
    if dtype.kind == "f":
        values: Array = drawn.astype(dtype)
        values *= dtype.type(_WIDTH / 2**16)
        return values
    low, high = (0, 1) if dtype.kind == "b" else _range(dtype)
    return (drawn % (high - low + 1) + low).astype(dtype)


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    if dtype.itemsize == 1:
        return int(limits.min), int(limits.max)
    if dtype.itemsize == 2:
        return max(-_SAMPLES, int(limits.min)), _SAMPLES
    return 0, 1  # Wider integers are mostly rows of a table; every table has two.
