"""How many multiply-accumulates one item takes, counted over a graph's shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import onnx

from model_registry.convert.graph_walk import nodes

Shapes = Mapping[str, Sequence[int]]
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def macs(model: Any, extents: Mapping[str, int]) -> int:
    """Count those of convolutions, matrix products and recurrent layers, with dynamic axes at `extents`.

    A node whose shapes cannot be inferred counts nothing, as does everything that is not a product of arrays.
    """
    shapes = _shapes(model, extents)
    counters = {**_COUNTERS, **dict.fromkeys(_GATES, _recurrent)}
    return sum(
        counters[node.op_type](node, shapes)
        for node in nodes(model)
        if node.op_type in counters and _known(node, shapes)
    )


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


def _known(node: Any, shapes: Shapes) -> bool:
    names = [*node.input[:2], node.output[0] or node.output[-1]]
    return all(shapes.get(name) and all(extent > 0 for extent in shapes[name]) for name in names)


def _convolution(node: Any, shapes: Shapes) -> int:
    """Every element of the output takes one product for each weight of its filter."""
    return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])


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
    "Gemm": _product,
    "MatMul": _product,
    "MatMulInteger": _product,
}
