"""How many multiply-accumulates one item takes in a .tflite model, read from its file."""

from __future__ import annotations

from math import prod
from typing import Any

_SHARED_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_OWN_WEIGHTS = ("FULLY_CONNECTED",)


def tflite_macs(content: bytes) -> int:
    """Count those of convolutions and fully connected layers; needs the extra `litert`, which brings the schema.

    Raises:
        ImportError: LiteRT is not installed.
    """
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415 - an optional extra.

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = schema.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    operators = (graph.Operators(index) for index in range(graph.OperatorsLength()))
    return sum(_macs(graph, operator, names[_code(model, operator)]) for operator in operators)


def _code(model: Any, operator: Any) -> int:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Files from before schema 3a have the code in a byte, newer ones beside it; the larger of the two is meant.
    return max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))


def _macs(graph: Any, operator: Any, name: str) -> int:
    if name not in (*_SHARED_WEIGHTS, *_OWN_WEIGHTS):
        return 0
    weights, output = (
        graph.Tensors(index).ShapeAsNumpy().tolist() for index in (operator.Inputs(1), operator.Outputs(0))
    )
    places = prod(output[1:3]) if name in _SHARED_WEIGHTS else 1
    return int(prod(weights) * places)
