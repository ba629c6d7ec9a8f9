"""A graph is fused once, without growing, and the same bytes come of the same bytes."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

from collections import Counter
from typing import Any

import numpy as np
import onnx

from model_registry.partition.preparation import prepared
from model_registry.tensor import Axis
from tests.registry.partition.graphs import FLOAT, WIDTH, drawn, layers, model, node, order, whole


def ready(made: Any, axes: dict[str, Axis] | None = None) -> onnx.ModelProto:
    asked = order(made, axes=axes)
    return prepared(asked.content, asked.inputs, asked.outputs, asked.axes)


def kinds(made: onnx.ModelProto) -> Counter[str]:
    return Counter(each.op_type for each in made.graph.node)


def test_layers_are_fused_before_a_place_could_come_between_them() -> None:
    made = model(
        [node("MatMul", "x matrix", "a"), node("Add", "a offset", "y")],
        constants={"offset": np.ones(WIDTH, np.float32)},
    )

    assert kinds(ready(made)) == {"Gemm": 1}


def test_eight_bit_weights_do_not_become_floats() -> None:
    small = np.random.default_rng(0).integers(-127, 128, (WIDTH, WIDTH), np.int8)
    made = model([node("Cast", "small", "large", to=FLOAT), node("MatMul", "x large", "y")], constants={"small": small})
    del made.graph.initializer[0]

    assert kinds(ready(made)) == {"Cast": 1, "MatMul": 1}
    assert len(ready(made).SerializeToString()) < 1.05 * len(made.SerializeToString())


def test_small_constants_are_computed_where_large_ones_are_not() -> None:
    small = np.random.default_rng(0).integers(-127, 128, (WIDTH, WIDTH), np.int8)
    nodes = [
        node("Cast", "small", "large", to=FLOAT),
        node("MatMul", "x large", "a"),
        node("Neg", "few", "less"),
        node("Mul", "a less", "y"),
    ]
    made = model(nodes, constants={"small": small, "few": np.ones(WIDTH, np.float32)})
    del made.graph.initializer[0]

    assert kinds(ready(made)) == {"Cast": 1, "MatMul": 1, "Mul": 1}
    inputs = drawn(x=(1, WIDTH))
    np.testing.assert_array_equal(
        whole(ready(made).SerializeToString(), inputs, ["y"])[0], whole(made.SerializeToString(), inputs, ["y"])[0]
    )


def test_nodes_and_outputs_that_nobody_asked_for_are_left_out() -> None:
    made = model([*layers("x", "y", count=1), node("Neg", "y", "dead")])

    assert kinds(ready(made)) == {"MatMul": 1, "Tanh": 1}


def test_an_axis_with_no_choice_becomes_a_number() -> None:
    made = model(layers("x", "y"), inputs={"x": ("batch", WIDTH)}, outputs={"y": ("batch", WIDTH)})

    fixed, free = (ready(made, {"batch": Axis(max=most)}) for most in (1, 8))

    assert _shape(fixed.graph.input[0]) == _shape(fixed.graph.output[0]) == [1, WIDTH]
    assert _shape(free.graph.input[0]) == _shape(free.graph.output[0]) == ["batch", WIDTH]


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def test_the_same_file_comes_of_the_same_file() -> None:
    made = model(layers("x", "y", count=6))

    assert ready(made).SerializeToString() == ready(made).SerializeToString()
