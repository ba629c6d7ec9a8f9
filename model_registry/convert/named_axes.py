"""Writes a draft's names and shapes into an ONNX graph, so that every later tool sees what the manifest says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import onnx

from model_registry.tensor import Tensor


def name_axes(model: Any, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> Any:
    """Return a copy whose inputs and outputs have these shapes, and whose other shapes are inferred from them."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    values = {value.name: value for value in (*copy.graph.input, *copy.graph.output)}
    for tensor in (*inputs, *outputs):
        shape = values[tensor.name].type.tensor_type.shape
        del shape.dim[:]
        shape.SetInParent()  # A scalar has a shape too, of no axes.
        for extent in tensor.shape:
            axis = shape.dim.add()
            if isinstance(extent, int):
                axis.dim_value = extent
            else:
                axis.dim_param = extent
    del copy.graph.value_info[:]  # They hold the names that the exporter gave.
    return onnx.shape_inference.infer_shapes(copy)


def last_operator(model: Any, output: str) -> str:
    """Return which operator gives an output; nothing for one that comes straight from an input."""
    return next((str(node.op_type) for node in model.graph.node if output in node.output), "")
