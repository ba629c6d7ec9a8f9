"""Items in the form in which a model takes them: cut into batches, each input in its own layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.convert.axes import BATCH
from model_registry.convert.errors import SamplesRefused
from model_registry.convert.samples import Samples
from model_registry.tensor import Axis, Tensor

Array = NDArray[Any]
BATCH_ITEMS = 32
"""Enough to use the caches well; more would only take memory."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Samples that fit a model's inputs."""

    samples: Samples
    inputs: tuple[Tensor, ...]
    axes: Mapping[str, Axis]

    @cached_property
    def batch_items(self) -> int:
        """Return how many items one run takes: those of a fixed leading axis, or what a dynamic one allows."""
        if any(_item_axis(tensor, self.samples) is None for tensor in self.inputs):
            return 1
        fixed = {tensor.shape[0] for tensor in self.inputs if BATCH not in tensor.shape}
        if fixed:
            return int(next(iter(fixed)))
        return min(BATCH_ITEMS, self.axes[BATCH].max)

    @cached_property
    def items(self) -> int:
        """Return how many items whole batches hold; a dynamic axis takes a shorter last one."""
        rest = self.samples.count % self.batch_items
        kept = any(BATCH in tensor.shape for tensor in self.inputs) and rest >= self.axes[BATCH].min
        return self.samples.count if kept else self.samples.count - rest

    def batches(self) -> Iterator[dict[str, Array]]:
        """Yield the inputs of one run after the other."""
        for first in range(0, self.items, self.batch_items):
            yield self._inputs(first, min(first + self.batch_items, self.items))

    @property
    def fewest_items(self) -> int:
        """Return how many items the smallest run takes."""
        return self.axes[BATCH].min if BATCH in self.axes and self.batch_items > 1 else self.batch_items

    def one(self) -> dict[str, Array]:
        """Return the inputs of the smallest run: one item where the model takes one."""
        return self._inputs(0, self.fewest_items)

    def labels(self) -> Array | None:
        """Return the labels of the items that the batches hold."""
        return None if self.samples.labels is None else self.samples.labels[: self.items]

    def _inputs(self, first: int, end: int) -> dict[str, Array]:
        return {tensor.name: self._input(tensor, first, end) for tensor in self.inputs}

    def _input(self, tensor: Tensor, first: int, end: int) -> Array:
        chosen = self.samples.arrays[tensor.name][first:end]
        axis = _item_axis(tensor, self.samples)
        return np.asarray(chosen[0] if axis is None else np.moveaxis(chosen, 0, axis), order="C")


def feed(samples: Samples, inputs: tuple[Tensor, ...], axes: Mapping[str, Axis]) -> Feed:
    """Hold samples against a model's inputs; a single array needs no name, and one named as an input is no labels.

    Raises:
        SamplesRefused: an input has no array, or one of the wrong type or form.

    """
    samples = samples.given_for({tensor.name for tensor in inputs})
    arrays = dict(samples.arrays)
    if len(inputs) == len(arrays) == 1:
        arrays = {inputs[0].name: next(iter(arrays.values()))}
    for tensor in inputs:
        if tensor.name not in arrays:
            raise SamplesRefused(
                f"{samples.name} has no array '{tensor.name}'; it has {', '.join(arrays)}.",
                hint=f"The model takes {', '.join(t.name for t in inputs)}.",
            )
    fitted = {tensor.name: _cast(arrays[tensor.name], tensor, samples.name) for tensor in inputs}
    fitting = Samples(name=samples.name, arrays=fitted, labels=samples.labels)
    for tensor in inputs:
        _check_shape(fitting, tensor, axes)
    made = Feed(samples=fitting, inputs=inputs, axes=axes)
    if made.items == 0:
        raise SamplesRefused(f"{samples.name} has {samples.count} items, and one run takes {made.batch_items}.")
    return made


def _cast(array: Array, tensor: Tensor, source: str) -> Array:
    """Return the array in the input's type; a type of another kind is a mistake, and so are numbers that do not fit."""
    target = np.dtype(tensor.dtype)
    if array.dtype == target:
        return array
    if not np.can_cast(array.dtype, target, "same_kind") and not (array.dtype.kind in "iu" and target.kind in "iu"):
        raise SamplesRefused(
            f"'{tensor.name}' in {source} is {array.dtype}, and the model takes {tensor.dtype}.",
            hint="Store what the model takes, prepared as it was for training.",
        )
    cast = array.astype(target)
    if target.kind in "iu" and not np.array_equal(cast, array):
        raise SamplesRefused(f"'{tensor.name}' in {source} holds numbers that do not fit into {tensor.dtype}.")
    return cast


def _item_axis(tensor: Tensor, samples: Samples) -> int | None:
    """Return the input's axis that counts items; none when it has none and takes one item a run."""
    if BATCH in tensor.shape:
        return tensor.shape.index(BATCH)
    return 0 if samples.arrays[tensor.name].ndim == len(tensor.shape) else None


def _check_shape(samples: Samples, tensor: Tensor, axes: Mapping[str, Axis]) -> None:
    array = samples.arrays[tensor.name]
    axis = _item_axis(tensor, samples)
    wanted = [extent for index, extent in enumerate(tensor.shape) if index != axis]
    fits = array.ndim == len(wanted) + 1 and all(
        _fits(length, extent, axes) for length, extent in zip(array.shape[1:], wanted, strict=True)
    )
    if not fits:
        spelled = ", ".join(str(extent) for extent in ("items", *wanted))
        raise SamplesRefused(
            f"'{tensor.name}' in {samples.name} has the shape {array.shape}, and the model takes [{spelled}].",
            hint="The first axis counts the items; the others are those of the model.",
        )


def _fits(length: int, extent: int | str, axes: Mapping[str, Axis]) -> bool:
    if isinstance(extent, int):
        return length == extent
    return axes[extent].min <= length <= axes[extent].max
