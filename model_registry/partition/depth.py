"""How many layers with weights lie before a tensor: what an input has gone through before it may travel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model_registry.partition.graph import Graph

_MIXING = ("Conv", "Gemm", "MatMul", "Attention", "LSTM", "GRU", "RNN")
"""Operators that mix what they are given by weights. An addition or a look-up could be undone."""
DEEPEST = 10_000


def depths(model: Any, graph: Graph) -> dict[str, int]:
    """Return for each tensor the fewest such layers on any way to it from an input; a body counts as none.

    A tensor that no input reaches has the greatest depth.
    """
    found = dict.fromkeys(graph.inputs, 0)
    for number, names in graph.reads.items():
        node = model.graph.node[number]
        before = fewest(names, found)
        layer = _is_layer(node, found)
        found.update(dict.fromkeys(graph.makes[number], min(before + layer, DEEPEST)))
    return found


def fewest(names: Iterable[str], depth: Mapping[str, int]) -> int:
    """Return the least depth of several tensors."""
    return min((depth[name] for name in names), default=DEEPEST)


def _is_layer(node: Any, live: Mapping[str, int]) -> bool:
    """Tell whether a node mixes by weights: something it reads does not come from an input."""
    return any(word in node.op_type for word in _MIXING) and any(name and name not in live for name in node.input)
