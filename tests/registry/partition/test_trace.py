"""Tensors are told in the model's own axes; what has no such form never crosses."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

from typing import Any

import numpy as np

from model_registry.partition.graph import graph_of
from model_registry.partition.preparation import prepared
from model_registry.partition.trace import Trace, traced, usual_extents
from model_registry.tensor import Axis
from tests.registry.partition.graphs import INT64, WIDTH, cut_up, drawn, layers, model, node, order, same_in_parts

AXES = {"batch": Axis(max=16), "time": Axis(min=2, max=500)}


def trace(made: Any, axes: dict[str, Axis]) -> Trace:
    asked = order(made, axes=axes)
    ready = prepared(asked.content, asked.inputs, asked.outputs, asked.axes, level="none")
    return traced(ready, graph_of(ready), axes, asked.trials.drawn)


def test_extents_are_axes_where_they_follow_them_and_numbers_where_they_do_not() -> None:
    nodes = [node("Transpose", "x", "t", perm=[1, 0]), node("Tanh", "t", "u"), node("Transpose", "u", "y", perm=[1, 0])]
    found = trace(model(nodes, inputs={"x": ("batch", "time")}, outputs={"y": ("batch", "time")}), AXES)

    shapes = [tensor.shape for tensor in found.tensors.values()]
    assert shapes == [("batch", "time"), ("time", "batch"), ("time", "batch"), ("batch", "time")]


def test_bytes_are_those_of_one_item_of_usual_length() -> None:
    nodes = [node("Tanh", "x", "t"), node("Neg", "t", "y")]
    found = trace(model(nodes, inputs={"x": ("batch", "time")}, outputs={"y": ("batch", "time")}), AXES)

    assert usual_extents(AXES) == {"batch": 1, "time": 128}
    assert {*found.bytes_of.values()} == {128 * 4}


def test_a_length_that_follows_no_axis_has_no_form() -> None:
    nodes = [node("Concat", "x x", "twice", axis=1), node("ReduceSum", "twice", "s"), node("Mul", "x s", "y")]
    found = trace(model(nodes, inputs={"x": ("batch", "time")}, outputs={"y": ("batch", "time")}), AXES)

    assert len(found.tensors) == 3
    assert all(tensor.shape in {("batch", "time"), (1, 1)} for tensor in found.tensors.values())


def test_a_length_that_depends_on_values_never_crosses() -> None:
    nodes = [
        *layers("x", "a"),
        node("Relu", "a", "b"),
        node("NonZero", "b", "where"),
        node("Cast", "where", "floats", to=1),
    ]
    nodes += [node("ReduceMean", "floats", "mean", keepdims=0), node("Mul", "a mean", "c"), *layers("c", "y", name="r")]
    made = model(nodes)

    parts = cut_up(made)

    assert {len(tensor.shape) for cut in parts.split.cuts for tensor in cut.tensors} <= {0, 2}
    assert same_in_parts(made, parts, drawn(x=(1, WIDTH)))


def test_a_place_is_moved_where_only_certain_values_could_cross() -> None:
    nodes = [
        *layers("x", "a"),
        node("ReduceSum", "a", "s", keepdims=0),
        node("Mul", "s nothing", "z"),
        node("Add", "z width", "w"),
    ]
    nodes += [
        node("Cast", "w", "whole", to=INT64),
        node("Reshape", "whole one", "form"),
        node("Reshape", "other form", "o"),
    ]
    made = model(
        [*nodes, node("Tanh", "o", "y")],
        inputs={"x": (1, WIDTH), "other": (1, WIDTH)},
        outputs={"y": (WIDTH,)},
        constants={"nothing": np.float32(0), "width": np.float32(WIDTH), "one": [1]},
    )

    parts = cut_up(made)

    assert "int64" not in {tensor.dtype for cut in parts.split.cuts for tensor in cut.tensors}
    assert same_in_parts(made, parts, drawn(x=(1, WIDTH), other=(1, WIDTH)))
