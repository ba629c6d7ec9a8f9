"""A network of two equal halves, with little between them and much before them: what a stream is timed with."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ROWS, WIDTH, WAIST = 64, 1024, 32
"""In come 64 rows of 1024 numbers, 262 kB; through the waist go 64 rows of 32, 8 kB."""
_LAYERS = 20
"""In each half: twelve milliseconds or so on one core."""


def even_model() -> bytes:
    """Return the network as an ONNX file of 4 MB; all its square layers share their weights."""
    chance = np.random.default_rng(0)
    weights = {
        "square": chance.normal(0.0, (2.0 / WIDTH) ** 0.5, (WIDTH, WIDTH)),
        "down": chance.normal(0.0, (1.0 / WIDTH) ** 0.5, (WIDTH, WAIST)),
        "up": chance.normal(0.0, (1.0 / WAIST) ** 0.5, (WAIST, WIDTH)),
    }
    layers = [*["square"] * _LAYERS, "down", "up", *["square"] * _LAYERS]
    nodes, name = [], "rows"
    for number, weight in enumerate(layers):
        product, name_behind = f"product{number}", f"rows{number}"
        nodes.append(helper.make_node("MatMul", [name, weight], [product]))
        nodes.append(helper.make_node("Relu", [product], [name_behind]))
        name = name_behind
    nodes.append(helper.make_node("ReduceMean", [name], ["means"], axes=[1], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "even",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [ROWS, WIDTH])],
        [helper.make_tensor_value_info("means", TensorProto.FLOAT, [ROWS])],
        [numpy_helper.from_array(array.astype(np.float32), key) for key, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content
