"""Depth counts layers that mix by weights, on the shortest way from an input."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

from model_registry.partition.depth import DEEPEST, depths, fewest
from model_registry.partition.graph import graph_of
from tests.registry.partition.graphs import WIDTH, layers, model, node


def test_only_products_with_weights_are_layers() -> None:
    made = model(
        [
            node("MatMul", "x matrix", "a"),
            node("Add", "a matrix", "b"),
            node("MatMul", "b b", "c"),
            node("Gemm", "c matrix", "y"),
        ]
    )

    assert depths(made, graph_of(made)) == {"x": 0, "a": 1, "b": 1, "c": 1, "y": 2}


def test_the_shortest_way_counts() -> None:
    made = model([*layers("x", "a", count=2), node("Add", "a x", "y")])

    assert depths(made, graph_of(made))["y"] == 0


def test_what_no_input_reaches_is_as_deep_as_can_be() -> None:
    made = model([node("RandomNormal", "", "r", shape=[1, WIDTH]), node("Add", "r x", "y")])

    found = depths(made, graph_of(made))

    assert found["r"] == DEEPEST
    assert fewest(["r", "x"], found) == 0
