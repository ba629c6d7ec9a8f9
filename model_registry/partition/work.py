"""How long each node takes: onnxruntime's own record of real runs, scaled to what the whole takes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean
from time import perf_counter
from typing import Any

import msgspec
import onnx
from numpy.typing import NDArray

from model_registry.partition.graph import Graph
from model_registry.partition.loaded import profile
from model_registry.runtime.session import open_session

Inputs = Mapping[str, NDArray[Any]]
_EVENT = re.compile(r"^node:(\d+)_kernel_time$")
_RUNS = 5


def node_work(model: onnx.ModelProto, graph: Graph, inputs: Inputs, *, seconds: float) -> dict[int, int]:
    """Return the nanoseconds of each working node, which add up to what the whole takes once it is optimised.

    Below a millisecond the record alone claims up to twice the time, for it counts its own writing.
    """
    content = _numbered(model).SerializeToString()
    whole_s = _whole_s(model.SerializeToString(), inputs)
    spent = _spent(profile(content, inputs, seconds=seconds))
    scale = whole_s * 1e9 / max(sum(spent.get(node, 0.0) for node in graph.reads), 1e-9)
    return {node: max(1, round(spent.get(node, 0.0) * scale)) for node in graph.reads}


def _numbered(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for number, node in enumerate(copy.graph.node):
        node.name = f"node:{number}"
    return copy


def _spent(record: str) -> dict[int, float]:
    """Return the usual time of each node: the mean of the faster half of its runs, for a busy machine only adds."""
    times: dict[int, list[float]] = defaultdict(list)
    for event in msgspec.json.decode(record):
        if found := _EVENT.match(event["name"]):
            times[int(found[1])].append(event["dur"])
    return {node: fmean(sorted(spent)[: max(1, len(spent) // 2)]) for node, spent in times.items()}


def _whole_s(content: bytes, inputs: Inputs) -> float:
    session = open_session(content)
    names = [output.name for output in session.outputs]
    session.run(names, inputs)
    took = []
    for _ in range(_RUNS):
        started = perf_counter()
        session.run(names, inputs)
        took.append(perf_counter() - started)
    return min(took)
