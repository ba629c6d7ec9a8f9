"""Every node and tensor of an ONNX model, those inside branches, loops and functions included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def graphs(model: Any) -> Iterator[Any]:
    """Yield the main graph, then the graphs inside its nodes' attributes, however deep."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += [inner for node in graph.node for inner in _graphs_of(node)]


def nodes(model: Any) -> Iterator[Any]:
    """Yield every node, those of local functions last."""
    for graph in graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def tensors(model: Any) -> Iterator[Any]:
    """Yield every constant: initialisers, sparse ones, and those in attributes."""
    for graph in graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
    for node in nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _graphs_of(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
