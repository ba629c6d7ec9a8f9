"""Writes the manifest's axes into a graph, inner tensors included: what onnxruntime fuses depends on known shapes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import onnx

from model_registry.tensor import Tensor

Extent = int | str


def shaped(model: onnx.ModelProto, tensors: Iterable[Tensor]) -> onnx.ModelProto:
    """Return a copy whose inputs and outputs have these shapes; inner tensors follow by the names of their axes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    values = {value.name: value for value in (*graph.input, *graph.output)}
    meant: dict[str, set[Extent]] = defaultdict(set)
    for tensor in tensors:
        shape = values[tensor.name].type.tensor_type.shape
        for axis, extent in zip(shape.dim, tensor.shape, strict=False):
            meant[axis.dim_param].add(extent)
        _set(shape, tensor.shape)
    taken = {extent for extents in meant.values() for extent in extents}
    kept = [value for value in graph.value_info if all(_follows(axis, meant, taken) for axis in _axes(value))]
    del graph.value_info[:]
    graph.value_info.extend(kept)
    return copy


def _set(shape: Any, extents: Iterable[Extent]) -> None:
    del shape.dim[:]
    shape.SetInParent()  # A scalar has a shape too, of no axes.
    for extent in extents:
        axis = shape.dim.add()
        if isinstance(extent, int):
            axis.dim_value = extent
        else:
            axis.dim_param = extent


def _axes(value: Any) -> Any:
    return value.type.tensor_type.shape.dim


def _follows(axis: Any, meant: Mapping[str, set[Extent]], taken: set[Extent]) -> bool:
    """Rename an axis as those of the inputs and outputs were; tell whether its name has one meaning now."""
    if not axis.dim_param:
        return True
    if axis.dim_param not in meant:
        return axis.dim_param not in taken
    if len(meant[axis.dim_param]) > 1:
        return False
    (extent,) = meant[axis.dim_param]
    if isinstance(extent, int):
        axis.dim_value = extent
    else:
        axis.dim_param = extent
    return True
