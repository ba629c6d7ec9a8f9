"""What a node reads: its own inputs, and what the bodies of branches and loops read from outside of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def read_by(node: Any) -> tuple[str, ...]:
    """Return every name that a node reads, once each, inputs before captured ones; inputs left out are none."""
    captured = (name for body in bodies(node) for name in captured_by(body))
    return tuple(dict.fromkeys(name for name in (*node.input, *captured) if name))


def made_by(node: Any) -> tuple[str, ...]:
    """Return every name that a node gives; outputs left out are none."""
    return tuple(name for name in node.output if name)


def bodies(node: Any) -> Iterator[Any]:
    """Yield the graphs inside a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def captured_by(body: Any) -> Iterator[str]:
    """Yield what a body reads and does not make: names of the graph around it."""
    own = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
    own |= {tensor.values.name for tensor in body.sparse_initializer}
    for node in body.node:
        yield from (name for name in read_by(node) if name not in own)
        own.update(node.output)
    yield from (value.name for value in body.output if value.name not in own)


def rename(node: Any, names: dict[str, str]) -> None:
    """Let a node read other names, inside of its bodies too."""
    node.input[:] = [names.get(name, name) for name in node.input]
    for body in bodies(node):
        hidden = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
        hidden |= {name for inner in body.node for name in inner.output}
        seen = {old: new for old, new in names.items() if old not in hidden}
        for inner in body.node:
            rename(inner, seen)
        for value in body.output:
            value.name = seen.get(value.name, value.name)
