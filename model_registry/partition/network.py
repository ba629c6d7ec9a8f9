"""The flow network whose minimum cuts are the best places to cut a graph.

A place is a set of nodes, the head, that holds with each node all that it depends on. It costs the bytes of every
tensor that crosses, each counted once however many read it (a hyperedge: Lawler 1973), plus a price for the head's
work. The network has an edge of that capacity into each tensor, endless ones from it to those who read it, and endless
ones from each node back to those it depends on; by max-flow = min-cut (Ford & Fulkerson 1956) the cut that a flow finds
is the best place there is. All numbers are whole, so that the answer is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import networkx as nx
from networkx.algorithms.flow import boykov_kolmogorov

from model_registry.partition.graph import Graph

Head = frozenset[int]
_SOURCE, _SINK = ("head",), ("tail",)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A graph with the bytes of its tensors and the work of its nodes."""

    graph: Graph
    bytes_of: Mapping[str, int]
    """Of each tensor that may cross; one that is missing may not."""
    work_ns: Mapping[int, int]
    together: tuple[tuple[int, ...], ...] = ()
    """Nodes that must lie on one side: a state's readers and its update."""

    @cached_property
    def all_nodes(self) -> Head:
        """Return the head that is the whole."""
        return frozenset(self.work_ns)

    def work(self, head: Head) -> int:
        """Return what a head takes, in nanoseconds."""
        return sum(self.work_ns[node] for node in head)

    def bytes(self, head: Head) -> int:
        """Return the bytes that cross behind a head; more than any place has where one may not cross."""
        return sum(self.bytes_of.get(name, self._barrier) for name in self.graph.crossing(head))

    def is_possible(self, head: Head) -> bool:
        """Tell whether all that crosses may."""
        return all(name in self.bytes_of for name in self.graph.crossing(head))

    def best(self, price: Fraction, *, least: Head, most: Head) -> Head:
        """Return the head between two others, both closed, with the fewest bytes + price * nanoseconds of work."""
        flow = nx.DiGraph(self._structure)
        barrier = self._barrier * price.denominator + sum(self.work_ns.values()) * abs(price.numerator)
        for name in self.graph.readers:
            maker = self.graph.maker.get(name)
            start = _SOURCE if maker is None else maker
            size = self.bytes_of.get(name)
            flow.add_edge(start, name, capacity=barrier if size is None else size * price.denominator)
        for node, work in self.work_ns.items():
            is_settled = node in least or node not in most
            in_head = node in least if is_settled else price < 0
            limit = {} if is_settled else {"capacity": work * abs(price.numerator)}
            flow.add_edge(*((_SOURCE, node) if in_head else (node, _SINK)), **limit)
        _, (head, _) = nx.minimum_cut(flow, _SOURCE, _SINK, flow_func=boykov_kolmogorov)
        return frozenset(node for node in head if isinstance(node, int))

    @cached_property
    def _barrier(self) -> int:
        """Return more bytes than all that may cross have together."""
        return 1 + sum(self.bytes_of.values())

    @cached_property
    def _structure(self) -> Any:
        """Return the edges without capacity, which networkx takes as endless."""
        flow = nx.DiGraph()
        flow.add_nodes_from((_SOURCE, _SINK))
        for name, readers in self.graph.readers.items():
            maker = self.graph.maker.get(name)
            for reader in readers:
                flow.add_edge(name, reader)
                if maker is not None:
                    flow.add_edge(reader, maker)
            if name in self.graph.outputs:
                flow.add_edge(name, _SINK)
        for group in self.together:
            for one, other in zip(group, group[1:] + group[:1], strict=True):
                flow.add_edge(one, other)
        return flow
