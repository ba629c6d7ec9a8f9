"""The rules that an ONNX file must keep before anything loads it."""

from __future__ import annotations

from collections import Counter
from math import prod

from model_registry.admission.onnx_messages import Message, walk
from model_registry.admission.wire_format import Malformed
from model_registry.errors import Refused

MOST_NODES = 20_000
"""Loading so many takes 0.7 s and 70 MB, and grows faster than their number. A large language model's graph has 10,000,
MobileNetV2's 100. Source: docs/decisions/0009-admission.md.
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
    operators: Counter[_Operator] = Counter()
    functions: set[_Operator] = set()
    try:
        for message in walk(content):
            _check_message(message, memory_bytes)
            if message.kind == "node":
                operators[message.domain, message.name] += 1
                _check_number(operators.total())
            elif message.kind == "function":
                functions.add((message.domain, message.name))
    except Malformed as error:
        raise _no_model(f"the file is damaged, or no ONNX model: {error}.") from error
    _check_domains(operators.keys() - functions)


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
            f"it has more than {MOST_NODES:,} nodes.",
            hint="Let onnxslim or onnxruntime's optimiser fuse them, or export a smaller model.",
        )


def _check_domains(operators: set[_Operator]) -> None:
    strangers = sorted(f"{domain}.{name}" for domain, name in operators if domain not in KNOWN_DOMAINS)
    if strangers:
        raise Refused(
            "operators",
            f"it needs operators that no runtime here has: {', '.join(strangers[:3])}.",
            hint="Export it with standard ONNX operators only.",
        )


def _no_model(what: str) -> Refused:
    return Refused("format", what, hint="Export the model again, or import it with `meshd models import`.")
