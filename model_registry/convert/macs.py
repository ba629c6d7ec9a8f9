"""How many multiply-accumulates one item takes, counted over a graph's shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from model_registry.convert.graph_walk import nodes
from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.runtime.session import open_session

Shapes = Mapping[str, Sequence[int]]
Example = Mapping[str, NDArray[Any]]
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_WEIGHTS_AT = {"QGemm": 3, "QLinearConv": 3, "QLinearMatMul": 3}
"""Which input the weights are, where scale and zero point of the other one come before them."""


def macs(model: Any, extents: Mapping[str, int], example: Example | None = None) -> int:
    """Count those of convolutions, matrix products and recurrent layers, with dynamic axes at `extents`.

    Shapes that cannot be inferred, such as those behind operators of onnxruntime's own, are seen by running `example`,
    which has these extents. A node whose shapes stay unknown counts nothing, as does all that is no product of arrays.
    """
    shapes = _shapes(model, extents)
    counters = {**_COUNTERS, **dict.fromkeys(_GATES, _recurrent)}
    counted = [node for node in nodes(model) if node.op_type in counters]
    unknown = {name for node in counted for name in _named(node) if not _positive(shapes.get(name))}
    if example and unknown:
        shapes |= _seen(model, unknown, example)
    return sum(counters[node.op_type](node, shapes) for node in counted if _known(node, shapes))


def _shapes(model: Any, extents: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the shape of every tensor that has a known one."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in extents:
                axis.dim_value = extents[axis.dim_param]
    del fixed.graph.value_info[:]  # They hold the names of the axes that now have numbers.
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes = {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in values}
    return {**shapes, **{tensor.name: list(tensor.dims) for tensor in graph.initializer}}


def _seen(model: Any, names: set[str], example: Example) -> dict[str, list[int]]:
    """Return the shapes that those of the tensors have in one run that the main graph gives; none where it fails."""
    told = onnx.ModelProto()
    told.CopyFrom(model)
    wanted = [name for node in told.graph.node for name in node.output if name in names]
    if not wanted:  # They lie in branches: a run would give the graph's own outputs.
        return {}
    given = {output.name for output in told.graph.output}
    told.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in given)
    try:
        arrays = open_session(told.SerializeToString()).run(wanted, example)
    except (ModelUnreadable, RunFailed):
        return {}
    return {name: list(np.shape(array)) for name, array in zip(wanted, arrays, strict=True)}


def _known(node: Any, shapes: Shapes) -> bool:
    return all(_positive(shapes.get(name)) for name in _named(node))


def _positive(shape: Sequence[int] | None) -> bool:
    return bool(shape) and all(extent > 0 for extent in shape or ())


def _named(node: Any) -> tuple[str, str, str]:
    """Return the tensors whose shapes tell what a node takes: input, weights, output."""
    return node.input[0], _weights(node), node.output[0] or node.output[-1]


def _weights(node: Any) -> str:
    return str(node.input[_WEIGHTS_AT.get(node.op_type, 1)])


def _convolution(node: Any, shapes: Shapes) -> int:
    """Every element of the output takes one product for each weight of its filter."""
    return prod(shapes[node.output[0]]) * prod(shapes[_weights(node)][1:])


def _transposed_convolution(node: Any, shapes: Shapes) -> int:
    """Every element of the input meets each weight that starts from its channel."""
    return prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])


def _product(node: Any, shapes: Shapes) -> int:
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return prod(shapes[node.output[0]]) * shapes[node.input[0]][-2 if transposed else -1]


def _recurrent(node: Any, shapes: Shapes) -> int:
    """Each step multiplies its input and its state by the weights of every gate: W[directions, gates * hidden, in]."""
    steps, batch, inputs = shapes[node.input[0]]
    directions, rows, _ = shapes[node.input[1]]
    return steps * batch * directions * rows * (inputs + rows // _GATES[node.op_type])


_COUNTERS: dict[str, Callable[[Any, Shapes], int]] = {
    "Conv": _convolution,
    "ConvInteger": _convolution,
    "ConvTranspose": _transposed_convolution,
    "FusedConv": _convolution,
    "FusedGemm": _product,
    "FusedMatMul": _product,
    "Gemm": _product,
    "MatMul": _product,
    "MatMulInteger": _product,
    "MatMulIntegerToFloat": _product,
    "DynamicQuantizeMatMul": _product,
    "QGemm": _product,
    "QLinearConv": _convolution,
    "QLinearMatMul": _product,
}
