"""What computes what: nodes by their number in the file, and the tensors between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from model_registry.partition.names import bodies, made_by, read_by

_BY_CHANCE = ("Random", "Multinomial", "Bernoulli", "Dropout")
_OF_SHAPES = frozenset({"Shape", "Size"})


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The nodes that work on what comes in, and those that every stage may have a copy of.

    Copied are constants that nobody has computed yet, and arithmetic with shapes, which costs nothing: a shape that
    crossed would be a number that only its own sender's graph makes sense of. Whoever reads such a shape reads, in this
    form, the tensor whose shape it is.
    """

    reads: Mapping[int, tuple[str, ...]]
    """Of each working node: the tensors it reads that depend on an input."""
    makes: Mapping[int, tuple[str, ...]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    copied: frozenset[int]

    @cached_property
    def maker(self) -> Mapping[str, int]:
        """Return the node that gives each tensor."""
        return {name: node for node, names in self.makes.items() for name in names}

    @cached_property
    def readers(self) -> Mapping[str, tuple[int, ...]]:
        """Return the nodes that read each tensor."""
        found: dict[str, list[int]] = {name: [] for name in (*self.inputs, *self.maker)}
        for node, names in self.reads.items():
            for name in names:
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def crossing(self, head: frozenset[int]) -> tuple[str, ...]:
        """Return what crosses behind a head: made before, or an input, and needed behind or an output."""
        return tuple(name for name in self.readers if self._crosses(name, head))

    def _crosses(self, name: str, head: frozenset[int]) -> bool:
        made_before = name not in self.maker or self.maker[name] in head
        needed_behind = name in self.outputs or any(node not in head for node in self.readers[name])
        return made_before and needed_behind


def graph_of(model: Any) -> Graph:
    """Read a model's main graph."""
    inputs = tuple(value.name for value in model.graph.input)
    outputs = tuple(value.name for value in model.graph.output)
    origins: dict[str, tuple[str, ...]] = dict.fromkeys(initialisers(model) - {*inputs}, ())
    reads: dict[int, tuple[str, ...]] = {}
    makes: dict[int, tuple[str, ...]] = {}
    for number, node in enumerate(model.graph.node):
        names, made = read_by(node), made_by(node)
        live = tuple(dict.fromkeys(origin for name in names for origin in origins.get(name, (name,))))
        is_copied = _is_copied(node, all(name in origins for name in names)) and not {*made} & {*outputs}
        if is_copied:
            origins.update(dict.fromkeys(made, live))
        else:
            reads[number], makes[number] = live, made
    copied = frozenset(range(len(model.graph.node))) - reads.keys()
    return Graph(reads=reads, makes=makes, inputs=inputs, outputs=outputs, copied=copied)


def initialisers(model: Any) -> set[str]:
    """Return the names of a model's constants."""
    dense = {tensor.name for tensor in model.graph.initializer}
    return dense | {tensor.values.name for tensor in model.graph.sparse_initializer}


def _is_copied(node: Any, reads_no_values: bool) -> bool:  # noqa: FBT001 - private.
    return (reads_no_values and not _is_by_chance(node)) or (node.op_type in _OF_SHAPES and not node.domain)


def _is_by_chance(node: Any) -> bool:
    """Tell whether a node draws lots, in itself or in a body: it is no constant although it reads nothing."""
    inner = (inner for body in bodies(node) for inner in body.node)
    return node.op_type.startswith(_BY_CHANCE) or any(_is_by_chance(each) for each in inner)
