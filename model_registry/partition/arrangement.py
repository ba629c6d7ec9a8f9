"""The file that is cut: its nodes in such an order that every stage is a run of consecutive ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from model_registry.convert.graph_walk import nodes
from model_registry.partition.graph import Graph, initialisers
from model_registry.partition.names import made_by, read_by, rename
from model_registry.partition.network import Head
from model_registry.tensor import Tensor


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """A file and its places."""

    content: bytes
    places: tuple[int, ...]
    """Nodes of the file before each."""
    crossing: tuple[tuple[Tensor, ...], ...]


def arranged(model: onnx.ModelProto, graph: Graph, heads: Sequence[Head], tensors: Mapping[str, Tensor]) -> Arrangement:
    """Order the nodes of a model by nested heads, and give each stage its own copy of what every stage may have."""
    names = [graph.crossing(head) for head in heads]
    crossing = tuple(tuple(tensors[name] for name in sorted(each)) for each in names)
    stages = [list(stage) for stage in _stages(model, graph, heads)]
    arranged_model = onnx.ModelProto()
    arranged_model.CopyFrom(model)
    del arranged_model.graph.node[:]
    for stage in stages:
        arranged_model.graph.node.extend(stage)
    told = {tensor.name: tensor for each in crossing for tensor in each}
    known = {value.name for value in (*model.graph.input, *model.graph.output)}
    arranged_model.graph.value_info.extend(_value(tensor) for name, tensor in sorted(told.items()) if name not in known)
    places = tuple(sum(map(len, stages[: index + 1])) for index in range(len(heads)))
    return Arrangement(content=arranged_model.SerializeToString(deterministic=True), places=places, crossing=crossing)


def _stages(model: onnx.ModelProto, graph: Graph, heads: Sequence[Head]) -> Iterator[Iterator[onnx.NodeProto]]:
    done: Head = frozenset()
    makers = {name: number for number in graph.copied for name in made_by(model.graph.node[number])}
    mark = _mark(model)
    for number, head in enumerate((*heads, frozenset(graph.reads))):
        yield _stage(model, sorted(head - done), makers, f"{mark}{number}" if number else "")
        done |= head


def _mark(model: onnx.ModelProto) -> str:
    """Return what parts a copy's name from its stage: no name of the graph holds it."""
    named = {*initialisers(model), *(value.name for value in (*model.graph.input, *model.graph.output))}
    named.update(name for node in nodes(model) for name in (*node.input, *node.output))
    mark = "/"
    while any(mark in name for name in named):
        mark += "/"
    return mark


def _stage(
    model: onnx.ModelProto, numbers: Sequence[int], makers: Mapping[str, int], suffix: str
) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a stage, each behind the copies that it reads, whose names end in `suffix`."""
    names: dict[str, str] = {}
    for number in numbers:
        yield from _copies(model, model.graph.node[number], makers, suffix, names)
        yield _renamed(model.graph.node[number], names)


def _copies(
    model: onnx.ModelProto, reader: onnx.NodeProto, makers: Mapping[str, int], suffix: str, names: dict[str, str]
) -> Iterator[onnx.NodeProto]:
    for name in read_by(reader):
        if name in names or name not in makers:
            continue
        node = model.graph.node[makers[name]]
        yield from _copies(model, node, makers, suffix, names)
        names.update({made: made + suffix for made in made_by(node)})
        copy = _renamed(node, names)
        copy.output[:] = [names.get(made, made) for made in node.output]
        yield copy


def _renamed(node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    rename(copy, names)
    return copy


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        tensor.name, helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)), tensor.shape
    )
