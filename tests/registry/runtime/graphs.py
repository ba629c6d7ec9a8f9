"""Graphs to cut: any that hypothesis comes up with, run or held against the onnx package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

WIDTH = 3
INPUTS = ("a", "b")
CONSTANTS = ("one", "two")
Array = NDArray[Any]
Environment = dict[str, Array]


@dataclass(frozen=True)
class Cuttable:
    """A model whose nodes stand in an order in which they can be cut anywhere."""

    model: onnx.ModelProto

    @property
    def content(self) -> bytes:
        content: bytes = self.model.SerializeToString()
        return content

    @property
    def n_nodes(self) -> int:
        return len(self.model.graph.node)


@st.composite
def cuttable(draw: st.DrawFn) -> Cuttable:
    """Draw a graph of sums, products, branches that capture names, and constants; some of it is given early."""
    known = [*INPUTS, *CONSTANTS]
    nodes = []
    for number in range(draw(st.integers(1, 8))):
        left, right = draw(st.sampled_from(known)), draw(st.sampled_from(known))
        made = f"made{number}"
        kind = draw(st.sampled_from(["Add", "Mul", "If"]))
        nodes.append(
            _branch(number, left, right, made) if kind == "If" else helper.make_node(kind, [left, right], [made])
        )
        known.append(made)
    names = [node.output[0] for node in nodes]
    given = draw(st.lists(st.sampled_from(names), unique=True, max_size=3))
    outputs = [*(name for name in given if name != names[-1]), names[-1]]
    return Cuttable(_model(nodes, outputs, within=[name for name in names if name not in outputs]))


def _branch(number: int, left: str, right: str, made: str) -> onnx.NodeProto:
    """Return `made = left + right if yes else left * right`, both captured by the bodies alone."""
    bodies = {
        branch: helper.make_graph(
            [helper.make_node(kind, [left, right], [f"inner{number}{branch}"])],
            f"{branch}{number}",
            [],
            [_described(f"inner{number}{branch}")],
        )
        for branch, kind in (("then_branch", "Add"), ("else_branch", "Mul"))
    }
    return helper.make_node("If", ["yes"], [made], **bodies)


def _model(nodes: list[onnx.NodeProto], outputs: list[str], within: list[str]) -> onnx.ModelProto:
    ones, twos = (np.full((1, WIDTH), value, np.float32) for value in (1, 2))
    named = zip((*CONSTANTS, "yes"), (ones, twos, np.array(True)), strict=True)
    constants = [numpy_helper.from_array(array, name) for name, array in named]
    graph = helper.make_graph(
        nodes,
        "g",
        [_described(name) for name in INPUTS],
        [_described(name) for name in outputs],
        constants,
        value_info=[_described(name) for name in within],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _described(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, WIDTH])
