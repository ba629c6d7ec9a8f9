"""The weights of a graph's matrix products: where most of a transformer's bytes are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx


def constant_matrices(model: Any) -> dict[str, tuple[int, int]]:
    """Return name and shape [in, out] of every float32 matrix that something is multiplied with."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        tensor = constants.get(node.input[1]) if node.op_type in {"MatMul", "Gemm"} else None
        if tensor is not None and len(tensor.dims) == 2 and tensor.data_type == onnx.TensorProto.FLOAT:
            rows, columns = tensor.dims
            found[tensor.name] = (columns, rows) if _attribute(node, "transB") else (rows, columns)
    return found


def with_plain_products(model: Any) -> Any:
    """Return a copy in which each Gemm with a constant matrix is a MatMul and an Add, the form that int4 has.

    A Gemm that scales its operands or transposes the first one stays.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in copy.graph.initializer}
    rewritten = [new for node in copy.graph.node for new in _plain(node, constants)]
    del copy.graph.node[:]
    copy.graph.node.extend(rewritten)
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(constants.values())
    return copy


def _plain(node: Any, constants: dict[str, Any]) -> list[Any]:
    if not _is_plain_gemm(node, constants):
        return [node]
    weight = node.input[1]
    if _attribute(node, "transB"):
        turned = f"{weight}_turned"
        constants[turned] = onnx.numpy_helper.from_array(
            np.ascontiguousarray(onnx.numpy_helper.to_array(constants[weight]).T), turned
        )
        weight = turned
    if len(node.input) < 3:
        return [onnx.helper.make_node("MatMul", [node.input[0], weight], list(node.output), name=node.name)]
    product = f"{node.output[0]}_product"
    return [
        onnx.helper.make_node("MatMul", [node.input[0], weight], [product], name=f"{node.name}_product"),
        onnx.helper.make_node("Add", [product, node.input[2]], list(node.output), name=node.name),
    ]


def _is_plain_gemm(node: Any, constants: dict[str, Any]) -> bool:
    return (
        node.op_type == "Gemm"
        and node.input[1] in constants
        and not _attribute(node, "transA")
        and all(_attribute(node, name, default=1.0) == 1.0 for name in ("alpha", "beta"))
    )


def _attribute(node: Any, name: str, *, default: float = 0) -> float:
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return default if found is None else float(onnx.helper.get_attribute_value(found))
