"""Takes a run of nodes out of an ONNX file as a file of its own, without the onnx package: no weight is understood.

The same file and nodes give the same bytes on every node. Source of the field numbers: onnx.proto of ONNX 1.23.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import maxsize
from typing import NamedTuple

from model_registry.errors import ModelUnreadable
from model_registry.runtime.wire_format import DEEPEST, Malformed, Span, bytes_head, number_field

_Field = tuple[int, int | Span]
_Parts = list[bytes | memoryview]

_GRAPH_OF_MODEL = 7
_KEPT_OF_MODEL = frozenset({1, 2, 3, 4, 5, 8, 14, 25})
"""All but the graph, prose, and what is for training only."""
_NODE, _NAME, _INITIALISER, _INPUT, _OUTPUT, _VALUE, _SPARSE = 1, 2, 5, 11, 12, 13, 15  # Of a graph.
_TAKEN_BY_NODE, _MADE_BY_NODE, _ATTRIBUTE = 1, 2, 5
_BODIES = frozenset({6, 11})  # Of an attribute: one graph, several graphs.
_NAME_OF = {_INITIALISER: 8, _INPUT: 1, _OUTPUT: 1, _VALUE: 1}
_VALUES_OF_SPARSE = 1


class StageFile(NamedTuple):
    """A file of its own, and the names of what its graph takes and gives."""

    content: bytes
    inputs: frozenset[str]
    """Without constants that may be overridden."""
    outputs: frozenset[str]


def stage_bytes(content: bytes, first_node: int, last_node: int | None = None) -> bytes:
    """Return nodes [first_node, last_node) of an ONNX file as a file of its own.

    Raises:
        ModelUnreadable: as :func:`take_stage` does.
    """
    return take_stage(content, first_node, last_node).content


def take_stage(content: bytes, first_node: int, last_node: int | None = None) -> StageFile:
    """Return nodes [first_node, last_node) of an ONNX file as a file of its own; None is behind the last node.

    Its inputs are what these nodes need and do not make, in the order in which they need it; its outputs what they make
    and later nodes need, or the model gives. Constants that they need are copied, those captured by bodies of
    If, Loop and Scan included.

    Raises:
        ModelUnreadable: the content is damaged, has not so many nodes, does not tell the type of what the nodes take,
            or the nodes make nothing that anybody needs.
    """
    try:
        kept, graph = _opened(content)
        stage = _Stage(graph, first_node, last_node)
        parts = [*_written(kept), *_nested(_GRAPH_OF_MODEL, stage.written())]
        return StageFile(b"".join(parts), stage.inputs, stage.outputs)
    except Malformed as error:
        until = "the last" if last_node is None else last_node
        problem = f"Nodes {first_node} to {until} cannot be taken out of the model: {error}."
        raise ModelUnreadable(problem, hint="Split the model again: `meshd models split`.") from error


class _Stage:
    """What a range of a graph's nodes consists of."""

    def __init__(self, graph: Span, first: int, last: int | None) -> None:
        self._graph = graph
        self._nodes: list[Span] = []
        self._taken: dict[bytes, None] = {}  # Ordered, as sets are not.
        self._made: dict[bytes, None] = {}
        self._needed_later: set[bytes] = set()
        self._read_nodes(first, last)
        self._constants: dict[bytes, tuple[int, Span]] = {}
        self._types: dict[int, dict[bytes, Span]] = {_INPUT: {}, _OUTPUT: {}, _VALUE: {}}
        self._read_names()

    @property
    def inputs(self) -> frozenset[str]:
        """Return what the graph takes."""
        return _words(name for name in self._taken if name not in self._constants)

    @property
    def outputs(self) -> frozenset[str]:
        """Return what the graph gives."""
        return _words(self._outputs())

    def written(self) -> _Parts:
        """Return the graph of the stage."""
        inputs, outputs = list(self._inputs()), self._outputs()
        if not outputs:
            raise Malformed("they make nothing that anybody needs")
        within = [(_VALUE, v) for name, v in self._types[_VALUE].items() if name in self._made and name not in outputs]
        return _written([
            *((_NODE, node) for node in self._nodes),
            *((_NAME, value) for number, value in self._graph.fields() if number == _NAME),
            *self._constants.values(),
            *((_INPUT, value) for value in inputs),
            *((_OUTPUT, value) for value in outputs.values()),
            *within,
        ])  # fmt: skip

    def _read_nodes(self, first: int, last: int | None) -> None:
        count, end = 0, maxsize if last is None else last
        for number, node in self._graph.fields():
            if number == _NODE and isinstance(node, Span):
                if first <= count < end:
                    self._take(node)
                elif count >= end:
                    self._needed_later.update(_needs(node))
                count += 1
        if not 0 <= first < (count if last is None else last) <= count:
            raise Malformed(f"it has {count:,} of them")

    def _take(self, node: Span) -> None:
        self._nodes.append(node)
        self._taken.update((name, None) for name in _needs(node) if name not in self._made)
        self._made.update((name, None) for name in _texts(node, _MADE_BY_NODE))

    def _read_names(self) -> None:
        """Find the constants and types of what the nodes take and make."""
        for number, value in self._graph.fields():
            if not isinstance(value, Span):
                continue
            if number in {_INITIALISER, _SPARSE}:
                self._read_constant(number, value)
            elif number in self._types:
                name = _name(value, _NAME_OF[number])
                if number == _OUTPUT or name in self._taken or name in self._made:
                    self._types[number].setdefault(name, value)

    def _read_constant(self, number: int, value: Span) -> None:
        named = value if number == _INITIALISER else _inner(value, _VALUES_OF_SPARSE)
        name = _name(named, _NAME_OF[_INITIALISER])
        if name in self._taken:
            self._constants.setdefault(name, (number, value))

    def _inputs(self) -> Iterator[Span]:
        for name in self._taken:
            known = self._type(name)
            if name in self._constants:  # One that may be overridden is not folded away: it stays so.
                known = self._types[_INPUT].get(name)
            elif known is None:
                raise Malformed(f"it does not tell the type of '{name.decode(errors='replace')[:80]}'")
            if known is not None:
                yield known

    def _outputs(self) -> dict[bytes, Span]:
        given = self._types[_OUTPUT]
        wanted = [name for name in self._made if name in self._needed_later or name in given]
        return {name: self._type(name) or _untyped(name) for name in wanted}

    def _type(self, name: bytes) -> Span | None:
        found = (self._types[number].get(name) for number in (_INPUT, _OUTPUT, _VALUE))
        return next((value for value in found if value is not None), None)


def _opened(content: bytes) -> tuple[list[_Field], Span]:
    """Return what a stage keeps of a model, and the model's graph."""
    kept, graphs = [], []
    for number, value in Span(content).fields():
        if number in _KEPT_OF_MODEL:
            kept.append((number, value))
        elif number == _GRAPH_OF_MODEL and isinstance(value, Span):
            graphs.append(value)
    if len(graphs) != 1:
        raise Malformed(f"it has {len(graphs)} graphs")
    return kept, graphs[0]


def _needs(node: Span, *, depth: int = 1) -> Iterator[bytes]:
    """Yield the names that a node takes, those that its bodies capture included."""
    for number, value in node.fields():
        if not isinstance(value, Span):
            continue
        if number == _TAKEN_BY_NODE and len(value):
            yield bytes(value)
        elif number == _ATTRIBUTE:
            for inner, body in value.fields():
                if inner in _BODIES and isinstance(body, Span):
                    yield from _captured(body, depth=depth + 1)


def _captured(body: Span, *, depth: int) -> Iterator[bytes]:
    """Yield the names that a body takes from outside: those that it uses and does not define."""
    if depth > DEEPEST:
        raise Malformed(f"more than {DEEPEST} graphs lie inside one another")
    defined: set[bytes] = set()
    used: dict[bytes, None] = {}
    for number, value in body.fields():
        if not isinstance(value, Span):
            continue
        if number == _NODE:
            used.update((name, None) for name in _needs(value, depth=depth))
            defined.update(_texts(value, _MADE_BY_NODE))
        elif number in {_INITIALISER, _INPUT}:
            defined.add(_name(value, _NAME_OF[number]))
        elif number == _SPARSE:
            defined.add(_name(_inner(value, _VALUES_OF_SPARSE), _NAME_OF[_INITIALISER]))
        elif number == _OUTPUT:
            used[_name(value, _NAME_OF[number])] = None
    yield from (name for name in used if name not in defined)


def _texts(message: Span, number: int) -> Iterator[bytes]:
    """Yield the texts of a repeated field, without empty ones: what is left out is called so."""
    for found, value in message.fields():
        if found == number and isinstance(value, Span) and len(value):
            yield bytes(value)


def _name(message: Span, number: int) -> bytes:
    """Return a text that a message has once; of several, readers take the last."""
    name = b""
    for name in _texts(message, number):  # noqa: B007 - the last is what is wanted.
        pass
    return name


def _inner(message: Span, number: int) -> Span:
    found = [value for field, value in message.fields() if field == number and isinstance(value, Span)]
    if len(found) != 1:
        raise Malformed("a sparse constant has no values, or has them twice")
    return found[0]


def _words(names: Iterable[bytes]) -> frozenset[str]:
    return frozenset(name.decode(errors="replace") for name in names)


def _untyped(name: bytes) -> Span:
    """Return an output whose type onnxruntime infers."""
    return Span(bytes_head(_NAME_OF[_OUTPUT], len(name)) + name)


def _written(fields: Iterable[_Field]) -> _Parts:
    parts: _Parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(number_field(number, value))
        else:
            parts += (bytes_head(number, len(value)), value.view)
    return parts


def _nested(number: int, parts: _Parts) -> _Parts:
    return [bytes_head(number, sum(map(len, parts))), *parts]
