"""Multiply-accumulates are counted as a person would, for one item."""

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the convert extra")

from onnx import TensorProto, helper  # noqa: E402

from model_registry.convert.macs import macs  # noqa: E402
from tests.registry.convert.models import built  # noqa: E402

ONE = {"batch": 1}
MICROSOFT = "com.microsoft"


def single(node: Any, x: tuple[Any, ...], **constants: tuple[int, ...]) -> Any:
    return built(
        [node],
        inputs={"x": (TensorProto.FLOAT, list(x))},
        outputs={"y": (TensorProto.FLOAT, [None] * 4 if node.op_type == "LSTM" else [None] * len(x))},
        constants={name: np.zeros(shape, np.float32) for name, shape in constants.items()},
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (single(helper.make_node("Conv", ["x", "w"], ["y"]), ("batch", 3, 8, 8), w=(4, 3, 3, 3)), 6 * 6 * 4 * 27),
        (
            single(helper.make_node("Conv", ["x", "w"], ["y"], group=3), ("batch", 3, 8, 8), w=(3, 1, 3, 3)),
            6 * 6 * 3 * 9,
        ),
        (
            single(helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2]), ("batch", 3, 8), w=(3, 5, 2)),
            3 * 8 * 5 * 2,
        ),
        (single(helper.make_node("Gemm", ["x", "w"], ["y"], transB=1), ("batch", 7), w=(5, 7)), 7 * 5),
        (single(helper.make_node("MatMul", ["x", "w"], ["y"]), ("batch", 9, 7), w=(7, 5)), 9 * 7 * 5),
        (
            single(
                helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=6),
                (10, "batch", 4),
                w=(1, 24, 4),
                r=(1, 24, 6),
            ),
            10 * 24 * (4 + 6),
        ),
        (single(helper.make_node("Relu", ["x"], ["y"]), ("batch", 7)), 0),
    ],
    ids=["conv", "grouped-conv", "transposed-conv", "gemm", "matmul", "lstm", "relu"],
)
def test_one_item_takes_so_many(model: Any, expected: int) -> None:
    assert macs(model, ONE) == expected


def test_two_items_take_twice_as_many() -> None:
    model = single(helper.make_node("MatMul", ["x", "w"], ["y"]), ("batch", 9, 7), w=(7, 5))
    assert macs(model, {"batch": 2}) == 2 * macs(model, ONE)


def test_products_of_integers_behind_operators_of_the_runtime_are_counted_by_running_an_example() -> None:
    quantised = ["scale", "zero"]
    model = built(
        [
            helper.make_node("QLinearAdd", ["x", *quantised, "x", *quantised, *quantised], ["sum"], domain=MICROSOFT),
            helper.make_node("QLinearConv", ["sum", *quantised, "filters", *quantised, *quantised], ["map"]),
            helper.make_node("QLinearMatMul", ["map", *quantised, "w", *quantised, *quantised], ["y"]),
        ],
        inputs={"x": (TensorProto.UINT8, ["batch", 3, 8, 8])},
        outputs={"y": (TensorProto.UINT8, [None] * 4)},
        constants={
            "scale": np.float32(0.1),
            "zero": np.uint8(0),
            "filters": np.ones((4, 3, 3, 3), np.uint8),
            "w": np.ones((6, 5), np.uint8),
        },
    )
    model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    assert macs(model, ONE, {"x": np.zeros((1, 3, 8, 8), np.uint8)}) == 6 * 6 * 4 * 27 + 4 * 6 * 6 * 5


def test_products_in_a_branch_whose_shapes_nobody_can_tell_count_nothing() -> None:
    form = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    inner = [
        helper.make_node("Gelu", ["x"], ["lit"], domain=MICROSOFT),
        helper.make_node("MatMul", ["lit", "w"], ["out"]),
    ]
    branch = helper.make_graph(inner, "branch", [], [form])
    model = built(
        [helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)],
        inputs={"x": (TensorProto.FLOAT, ["batch", 7]), "yes": (TensorProto.BOOL, [])},
        outputs={"y": (TensorProto.FLOAT, ["batch", 5])},
        constants={"w": np.ones((7, 5), np.float32)},
    )
    model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    assert macs(model, ONE, {"x": np.zeros((1, 7), np.float32), "yes": np.array(True)}) == 0
