"""The rules that an ONNX file must keep before anything loads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from math import prod

from model_registry.admission.onnx_messages import Message, walk
from model_registry.errors import Refused
from model_registry.runtime.wire_format import Malformed

MOST_NODES = 20_000
"""Loading so many takes 0.6 s and 55 MB, and grows faster than their number; the largest graph that ships has 356.

Source: docs/decisions/0012-admission.md.
"""
KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training", "com.microsoft"})
"""Whose operators onnxruntime's wheels have."""
_ELEMENTS_A_BYTE = 4
"""No element type of ONNX is smaller than two bits."""
_DENSE_BYTES = 8
_IR_VERSION, _GRAPH = 1, 7
_Operator = tuple[str, str]


def check(content: bytes, *, memory_bytes: int) -> None:
    """Look at every message of an ONNX model.

    Raises:
        Refused: it is none, keeps data outside of the file, declares sizes that cannot be, has too many nodes, or
            operators of a domain that no runtime here has.
    """
    calls = _Calls()
    try:
        for message in walk(content):
            _check_message(message, memory_bytes)
            calls.take(message)
    except Malformed as error:
        raise _no_model(f"the file is damaged, or no ONNX model: {error}.") from error
    _check_domains(calls.strangers())
    _check_number(calls.inlined())


class _Calls:
    """Which operators the graph and each function call, and how often."""

    def __init__(self) -> None:
        self._graph: Counter[_Operator] = Counter()
        self._functions: dict[_Operator, Counter[_Operator]] = {}
        self._inside: Counter[_Operator] = Counter()  # Of the graph or function whose end is still to come.
        self._n_nodes = 0

    def take(self, message: Message) -> None:
        """Take the next message into account."""
        if message.kind in {"node", "function"}:  # What is kept of functions that nobody calls takes memory as well.
            self._n_nodes += 1
            _check_number(self._n_nodes)
        if message.kind == "node":
            self._inside[message.domain, message.name] += 1
        elif message.depth == 1 and message.kind in {"graph", "function"}:
            of = self._graph
            if message.kind == "function":
                of = self._functions.setdefault((message.domain, message.name), Counter())
            of.update(self._inside)
            self._inside.clear()

    def strangers(self) -> set[str]:
        """Return the operators of unknown domains that are no function of the model's own."""
        called = self._graph.keys() | {operator for body in self._functions.values() for operator in body}
        return {f"{d}.{name}" for d, name in called - self._functions.keys() if d not in KNOWN_DOMAINS}

    def inlined(self) -> int:
        """Return how many nodes there are once every call of a function is replaced by its body, as loading does.

        A dozen functions that call one another ten times each come to more nodes than memory holds.
        """
        sizes: dict[_Operator, int] = {}
        calls = {function: body.keys() & self._functions.keys() for function, body in self._functions.items()}
        try:
            for function in TopologicalSorter(calls).static_order():
                sizes[function] = _size(self._functions[function], sizes)
        except CycleError as error:
            raise _no_model("its functions call each other without end.") from error
        return _size(self._graph, sizes)


def _size(body: Mapping[_Operator, int], sizes: Mapping[_Operator, int]) -> int:
    n_nodes = sum(count * sizes.get(operator, 1) for operator, count in body.items())
    return min(n_nodes, MOST_NODES + 1)


def _check_message(message: Message, memory_bytes: int) -> None:
    if message.kind == "tensor":
        _check_tensor(message)
    elif message.kind == "sparse":
        _check_sparse(message, memory_bytes)
    elif message.kind == "model" and not {_IR_VERSION, _GRAPH} <= message.fields:
        raise _no_model("the file is no ONNX model: it has no version or no graph.")


def _check_tensor(tensor: Message) -> None:
    if tensor.external:
        raise Refused(
            "external_data",
            "it keeps constants in another file.",
            hint="Import it with `meshd models import`, which puts them into the model.",
        )
    elements, most = prod(tensor.extents), tensor.n_bytes * _ELEMENTS_A_BYTE
    if elements > most:
        raise _no_model(f"a constant declares {elements:,} elements and its {tensor.n_bytes:,} bytes hold fewer.")


def _check_sparse(tensor: Message, memory_bytes: int) -> None:
    dense_bytes = prod(tensor.extents) * _DENSE_BYTES
    if dense_bytes > memory_bytes:
        raise Refused(
            "memory",
            f"a sparse constant takes {dense_bytes / 1e6:,.0f} MB when loaded and the limit is "
            f"{memory_bytes / 1e6:,.0f} MB.",
            hint="Raise models.memory_budget_bytes, or prune the model's tables.",
        )


def _check_number(nodes: int) -> None:
    if nodes > MOST_NODES:
        raise Refused(
            "nodes",
            f"it has more than {MOST_NODES:,} nodes and functions.",
            hint="Let onnxslim or onnxruntime's optimiser fuse them, or export a smaller model.",
        )


def _check_domains(strangers: set[str]) -> None:
    if strangers:
        raise Refused(
            "operators",
            f"it needs operators that no runtime here has: {', '.join(sorted(strangers)[:3])}.",
            hint="Export it with standard ONNX operators only.",
        )


def _no_model(what: str) -> Refused:
    return Refused("format", what, hint="Export the model again, or import it with `meshd models import`.")
