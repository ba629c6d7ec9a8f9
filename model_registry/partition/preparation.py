"""The graph that is cut: optimised once, before it is cut, so that no fusion straddles a place later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import inliner, numpy_helper

from model_registry.convert.packing import packed
from model_registry.partition.graph import graph_of, initialisers
from model_registry.partition.loaded import Level, optimised, run_unoptimised
from model_registry.partition.names import made_by, read_by
from model_registry.partition.shapes import shaped
from model_registry.tensor import Axis, Tensor

_WORTH = 1.05
"""A file may grow by so much for what folding saves at run time; weights of eight bits turned to floats take four."""
_SMALL_BYTES = 1024


def prepared(
    content: bytes,
    inputs: Iterable[Tensor],
    outputs: Iterable[Tensor],
    axes: Mapping[str, Axis],
    *,
    level: Level = "extended",
) -> onnx.ModelProto:
    """Return a model that computes the same, with its shapes fixed where they are, fused and without dead nodes.

    The same bytes come of the same bytes. Tensors are named as the graph names them.

    Raises:
        ModelUnreadable: onnxruntime does not load it.

    """
    model = onnx.load_model_from_string(content)
    if model.functions:
        model = inliner.inline_local_functions(model)
    given, wanted = [_fixed(t, axes) for t in inputs], [_fixed(t, axes) for t in outputs]
    fixed = shaped(_asked_for(model, wanted), (*given, *wanted)).SerializeToString()
    fused = optimised(fixed, level, folding=True)
    if len(fused) > _WORTH * len(content):
        fused = optimised(fixed, level, folding=False)
    folded = _with_small_constants(onnx.load_model_from_string(fused))
    return shaped(_without_dead(packed(folded)), (*given, *wanted))


def _asked_for(model: onnx.ModelProto, outputs: Iterable[Tensor]) -> onnx.ModelProto:
    """Leave out outputs that nobody asks for: they would cross for nothing."""
    names = {tensor.name for tensor in outputs}
    kept = [value for value in model.graph.output if value.name in names]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return model


def _fixed(tensor: Tensor, axes: Mapping[str, Axis]) -> Tensor:
    """Return a tensor with those axes as numbers that have no choice."""
    shape = tuple(_extent(extent, axes) for extent in tensor.shape)
    return Tensor(name=tensor.name, dtype=tensor.dtype, shape=shape)


def _extent(extent: int | str, axes: Mapping[str, Axis]) -> int | str:
    if isinstance(extent, int) or axes[extent].min < axes[extent].max:
        return extent
    return axes[extent].min


def _with_small_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Compute constants that take no more room than what they are computed of; the others stay nodes."""
    names = _constants(model)
    if not names:
        return model
    told = onnx.ModelProto()
    told.CopyFrom(model)
    del told.graph.input[:], told.graph.output[:]
    kept = [node for node in told.graph.node if {*made_by(node)} & {*names}]
    del told.graph.node[:]
    told.graph.node.extend(kept)
    told.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    arrays = dict(zip(names, run_unoptimised(told.SerializeToString(), {}, names), strict=True))
    return _with_constants(model, arrays)


def _constants(model: onnx.ModelProto) -> list[str]:
    """Return what nodes make of constants alone."""
    graph = graph_of(model)
    known = initialisers(model) - {*graph.inputs}
    found: list[str] = []
    for number in sorted(graph.copied):
        node = model.graph.node[number]
        if all(name in known for name in read_by(node)):
            known.update(made_by(node))
            found += made_by(node)
    return found


def _with_constants(model: onnx.ModelProto, arrays: Mapping[str, Any]) -> onnx.ModelProto:
    stored = {tensor.name: tensor.ByteSize() for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        made = made_by(node)
        room = max(_SMALL_BYTES, sum(stored.get(name, 0) for name in read_by(node)))
        is_small = made and all(isinstance(arrays.get(name), np.ndarray) for name in made)
        if not is_small or sum(arrays[name].nbytes for name in made) > room:
            kept.append(node)
            continue
        tensors = [numpy_helper.from_array(arrays[name], name) for name in made]
        stored |= {tensor.name: tensor.ByteSize() for tensor in tensors}
        model.graph.initializer.extend(tensors)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _without_dead(model: onnx.ModelProto) -> onnx.ModelProto:
    """Leave out nodes and constants that no output needs."""
    needed = {value.name for value in model.graph.output}
    nodes = []
    for node in reversed(model.graph.node):
        if needed & {*made_by(node)}:
            nodes.append(node)
            needed.update(read_by(node))
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    constants = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)
    return model
