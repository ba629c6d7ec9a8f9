"""The messages inside an ONNX file, one after the other, innermost first.

The walk is a loop over a stack of half-read messages: no nesting exhausts Python's own stack, and no number of messages
the memory. Source of the field numbers: onnx.proto of ONNX 1.23.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from model_registry.runtime.wire_format import DEEPEST, Malformed, Span

Kind = Literal["model", "graph", "node", "attribute", "tensor", "sparse", "function", "training"]

_LONGEST_NAME = 256
_MOST_AXES = 64

# Fields that hold further messages, by the kind of message that they stand in.
_INNER: dict[Kind, dict[int, Kind]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_NAMES: dict[Kind, dict[int, str]] = {"node": {4: "name", 7: "domain"}, "function": {1: "name", 10: "domain"}}
_EXTENTS: dict[Kind, int] = {"tensor": 1, "sparse": 3}
_DATA_LOCATION = 14
_LAST_ASKED_FOR = 7
"""A stranger's message may have millions of fields, each with a number of its own."""
_IN_THE_FILE = 0  # TensorProto.DataLocation.DEFAULT


@dataclass(slots=True)
class Message:
    """What matters of one message."""

    kind: Kind
    n_bytes: int
    depth: int
    """How many graphs and functions it lies in, itself included."""
    name: str = ""
    """The operator of a node, the name of a function."""
    domain: str = ""
    extents: list[int] = field(default_factory=list)
    external: bool = False
    """Whether a tensor says that its elements lie elsewhere."""
    fields: set[int] = field(default_factory=set)
    """Numbers of those that it has, up to that of a model's graph."""


def walk(content: bytes) -> Iterator[Message]:
    """Yield every message of a model, the model itself last.

    Raises:
        Malformed: the content is damaged, or nests too deeply.
    """
    open_messages = [_opened("model", Span(content), depth=0)]
    while open_messages:
        message, fields = open_messages[-1]
        found = next(fields, None)
        if found is None:
            open_messages.pop()
            yield message
            continue
        number, value = found
        if number <= _LAST_ASKED_FOR:
            message.fields.add(number)
        inner = _INNER[message.kind].get(number)
        if inner is not None and isinstance(value, Span):
            open_messages.append(_opened(inner, value, depth=message.depth))
        else:
            _take(message, number, value)


def _opened(kind: Kind, span: Span, *, depth: int) -> tuple[Message, Iterator[tuple[int, int | Span]]]:
    depth += kind in {"graph", "function"}
    if depth > DEEPEST:
        raise Malformed(f"more than {DEEPEST} graphs lie inside one another")
    return Message(kind, len(span), depth), span.fields()


def _take(message: Message, number: int, value: int | Span) -> None:
    if message.kind == "tensor" and number >= _DATA_LOCATION - 1:
        message.external |= number == _DATA_LOCATION - 1 or (number == _DATA_LOCATION and value != _IN_THE_FILE)
    elif number == _EXTENTS.get(message.kind):
        message.extents.extend([value] if isinstance(value, int) else islice(value.varints(), _MOST_AXES + 1))
        if len(message.extents) > _MOST_AXES:
            raise Malformed(f"a tensor has more than {_MOST_AXES} axes")
    elif isinstance(value, Span) and (name := _NAMES.get(message.kind, {}).get(number)):
        if len(value) > _LONGEST_NAME:
            raise Malformed(f"an operator's name has {len(value):,} characters")
        setattr(message, name, bytes(value).decode(errors="replace"))
