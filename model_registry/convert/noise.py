"""Inputs made up in the right form: drawn from a seed and meaning nothing, or one example repeated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.tensor import Tensor

Array = NDArray[Any]


def noise(tensors: tuple[Tensor, ...], extents: Mapping[str, int], *, seed: int) -> dict[str, Array]:
    """Return one array for each input.

    Wide integers are 0 or 1, for they may be indices or masks; narrow ones, which are samples or pixels, take all of
    their range; floats are normal.
    """
    rng = np.random.default_rng(seed)
    return {tensor.name: _drawn(rng, np.dtype(tensor.dtype), shape_of(tensor, extents)) for tensor in tensors}


def repeated(example: Mapping[str, Array], tensors: tuple[Tensor, ...], extents: Mapping[str, int]) -> dict[str, Array]:
    """Return the inputs of an example with every axis at these extents: repeated where it is shorter, else cut."""
    return {tensor.name: _wrapped(example[tensor.name], shape_of(tensor, extents)) for tensor in tensors}


def shape_of(tensor: Tensor, extents: Mapping[str, int]) -> tuple[int, ...]:
    """Return a tensor's shape with its axes at the given extents."""
    return tuple(extent if isinstance(extent, int) else extents[extent] for extent in tensor.shape)


def _wrapped(array: Array, shape: tuple[int, ...]) -> Array:
    places = (np.arange(extent) % length for extent, length in zip(shape, array.shape, strict=True))
    return np.asarray(array[np.ix_(*places)], order="C")


def _drawn(rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if dtype.kind == "f":
        return np.asarray(rng.standard_normal(shape), dtype)
    if dtype.kind == "b" or dtype.itemsize >= 4:
        return np.asarray(rng.integers(0, 2, shape), dtype)
    bounds = np.iinfo(dtype)
    return np.asarray(rng.integers(bounds.min, bounds.max, shape, endpoint=True), dtype)
