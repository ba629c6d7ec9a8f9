"""What depends on what, captured names and shapes included."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

from onnx import TensorProto, helper

from model_registry.partition.graph import graph_of
from model_registry.partition.names import captured_by, read_by
from tests.registry.partition.graphs import WIDTH, body, layers, model, node


def test_names_that_a_body_captures_count_as_read() -> None:
    inner = node(
        "If",
        "cond",
        "b",
        then_branch=body("t", [node("Tanh", "deep", "b")], "b"),
        else_branch=body("e", [node("Neg", "x", "b")], "b"),
    )
    outer = node(
        "If", "cond", "y", then_branch=body("t", [inner], "b"), else_branch=body("e", [node("Abs", "other", "z")], "z")
    )

    assert {*read_by(outer)} == {"cond", "deep", "x", "other"}


def test_names_that_a_body_makes_or_is_given_do_not() -> None:
    step = helper.make_graph(
        [node("Add", "state outside", "next"), node("Identity", "next", "seen")],
        "step",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, [WIDTH])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [WIDTH]) for name in ("next", "seen")],
    )

    assert list(captured_by(step)) == ["outside"]


def test_inputs_that_are_left_out_are_none() -> None:
    assert read_by(node("Clip", "x - high", "y")) == ("x", "high")


def test_constants_and_arithmetic_with_shapes_are_copied_and_read_as_their_origin() -> None:
    made = model(
        [
            node("Shape", "x", "shape"),
            node("Gather", "shape zero", "rows", axis=0),
            node("Concat", "rows minus", "target", axis=0),
            node("Neg", "matrix", "negative"),
            node("MatMul", "x negative", "a"),
            node("Reshape", "a target", "y"),
        ],
        constants={"zero": [0], "minus": [-1]},
    )

    graph = graph_of(made)

    assert graph.copied == {0, 1, 2, 3}
    assert graph.reads == {4: ("x",), 5: ("a", "x")}


def test_what_an_output_is_made_of_is_no_copy() -> None:
    made = model([node("Shape", "x", "y"), node("Tanh", "x", "z")], outputs={"y": (2,), "z": (1, WIDTH)})

    assert graph_of(made).copied == frozenset()


def test_what_draws_lots_is_no_constant() -> None:
    made = model([node("RandomNormal", "", "lots", shape=[1, WIDTH]), node("Add", "x lots", "y")])

    assert graph_of(made).copied == frozenset()


def test_readers_and_makers_are_told_for_every_tensor() -> None:
    graph = graph_of(model(layers("x", "y", count=1)))

    assert graph.maker == {"y_": 0, "y": 1}
    assert graph.readers == {"x": (0,), "y_": (1,), "y": ()}
