"""What one tensor of a manifest may look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from model_registry.tensor import Axis, Tensor

Extents = dict[str, int]
"""Length of each dynamic axis, by name."""


class TensorRule:
    """Dtype, shape and finiteness of one tensor. Says what is wrong instead of raising: its users differ in that."""

    def __init__(self, tensor: Tensor, axes: Mapping[str, Axis], *, finite: bool = True) -> None:
        self.name = tensor.name
        self.dtype = np.dtype(tensor.dtype)
        self._shape = tensor.shape
        self._axes = axes
        self._must_be_finite = finite and self.dtype.kind == "f"
        # Looked up once: every tensor of every request is held against them.
        self._fixed = [(index, extent) for index, extent in enumerate(tensor.shape) if isinstance(extent, int)]
        self._free = [
            (index, name, axes[name].min, axes[name].max)
            for index, name in enumerate(tensor.shape)
            if not isinstance(name, int)
        ]

    @override
    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(self._described(extent) for extent in self._shape)}] '{self.name}'"

    def shape_of(self, extents: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape where axes are so long, and those that are not named at their minimum."""
        return tuple(e if isinstance(e, int) else extents.get(e, self._axes[e].min) for e in self._shape)

    def flaw(self, array: NDArray[Any], extents: Extents) -> str:
        """Return what is wrong with an array, or nothing; ``extents`` learns its dynamic axes."""
        if array.dtype != self.dtype:
            return f"'{self.name}' is {array.dtype} and must be {self.dtype}."
        if array.ndim != len(self._shape):
            return f"'{self.name}' has {array.ndim} axes, shape {array.shape}, and must have {len(self._shape)}."
        shape = array.shape
        for index, extent in self._fixed:
            if shape[index] != extent:
                return self._flaw_of(shape, extents)
        for index, name, least, most in self._free:
            found = shape[index]
            if not least <= found <= most or extents.setdefault(name, found) != found:
                return self._flaw_of(shape, extents)
        # numpy's own `all` and `count_nonzero` go through Python, which takes longer than to look at a small tensor.
        if self._must_be_finite and b"\0" in np.isfinite(array).tobytes():
            return f"'{self.name}' holds {self._not_finite(array)}; every element must be finite."
        return ""

    def _flaw_of(self, shape: tuple[int, ...], extents: Extents) -> str:
        for index, (extent, found) in enumerate(zip(self._shape, shape, strict=True)):
            problem = self._flaw_of_axis(extent, found, extents)
            if problem:
                return f"'{self.name}' has {found} elements on axis {index} and must have {problem}."
        return ""

    def _flaw_of_axis(self, extent: int | str, found: int, extents: Extents) -> str:
        if isinstance(extent, int):
            return "" if found == extent else str(extent)
        bound = self._axes[extent]
        if not bound.min <= found <= bound.max:
            return f"{bound.min} to {bound.max} ('{extent}')"
        agreed = extents.setdefault(extent, found)
        return "" if found == agreed else f"{agreed}, like the other tensors with axis '{extent}'"

    def _described(self, extent: int | str) -> str:
        if isinstance(extent, int):
            return str(extent)
        bound = self._axes[extent]
        return f"{extent}={bound.min}..{bound.max}"

    @staticmethod
    def _not_finite(array: NDArray[Any]) -> str:
        nans = int(np.isnan(array).sum())
        return f"{nans} NaN" if nans else f"{int(np.isinf(array).sum())} infinite values"
