"""What every tensor of a graph is, seen in runs: its type, and its shape in terms of the model's own axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import onnx
from numpy.typing import NDArray

from model_registry.convert.axes import item_extents, trials
from model_registry.partition.graph import Graph
from model_registry.partition.loaded import run_unoptimised
from model_registry.tensor import Axis, DType, Tensor

Array = NDArray[Any]
Inputs = Mapping[str, Array]
Draw = Callable[[Mapping[str, int]], Inputs]
_LONGEST_NAME = 128
"""A manifest takes no longer ones."""
_NAMES = {str(np.dtype(dtype)): dtype for dtype in get_args(DType)}


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The tensors that can cross, and the bytes of each in a usual run."""

    tensors: Mapping[str, Tensor]
    """Only those that a manifest can describe: raw bytes, no axis of length 0, each extent a number or a known axis."""
    bytes_of: Mapping[str, int]


def traced(model: onnx.ModelProto, graph: Graph, axes: Mapping[str, Axis], draw: Draw) -> Trace:
    """Run a model at several extents of its axes and look at every tensor; `draw` gives inputs of these extents.

    Raises:
        ModelUnreadable: onnxruntime does not load it.

    """
    free = {name: axis for name, axis in axes.items() if axis.min < axis.max}
    told, names = _telling(model, graph)
    chosen = [*trials(free), usual_extents(axes)]
    runs = [_run(told, names, draw({**item_extents(axes), **extents})) for extents in chosen]
    described = {name: _described(name, [run[name] for run in runs], chosen) for name in runs[0]}
    tensors = {name: tensor for name, tensor in described.items() if tensor}
    return Trace(tensors=tensors, bytes_of={name: int(runs[-1][name].nbytes) for name in tensors})


def usual_extents(axes: Mapping[str, Axis]) -> dict[str, int]:
    """Return the extents that places are weighed at: one item, its other axes as long as allowed up to 128."""
    return {name: max(axes[name].min, min(extent, 128)) for name, extent in item_extents(axes).items()}


def _telling(model: onnx.ModelProto, graph: Graph) -> tuple[bytes, list[str]]:
    told = onnx.ModelProto()
    told.CopyFrom(model)
    given = {*graph.outputs}
    told.graph.output.extend(onnx.ValueInfoProto(name=name) for name in graph.maker if name not in given)
    return told.SerializeToString(), [*graph.maker]


def _run(told: bytes, names: Sequence[str], inputs: Inputs) -> dict[str, Any]:
    return {**inputs, **dict(zip(names, run_unoptimised(told, inputs, names), strict=True))}


def _described(name: str, arrays: Sequence[Any], extents: Sequence[Mapping[str, int]]) -> Tensor | None:
    """Return a tensor as a manifest has it; none where it has no form that holds for all runs."""
    first = arrays[0]
    if not all(isinstance(array, np.ndarray) and array.ndim == first.ndim for array in arrays):
        return None
    dtype = _NAMES.get(str(first.dtype))
    shape = [_explained([array.shape[axis] for array in arrays], extents) for axis in range(first.ndim)]
    if dtype is None or None in shape or 0 in shape or len(name) > _LONGEST_NAME:
        return None
    return Tensor(name=name, dtype=dtype, shape=tuple(extent for extent in shape if extent is not None))


def _explained(lengths: list[int], extents: Sequence[Mapping[str, int]]) -> int | str | None:
    if len(set(lengths)) == 1:
        return lengths[0]
    followed = (name for name in extents[0] if [choice[name] for choice in extents] == lengths)
    return next(followed, None)
