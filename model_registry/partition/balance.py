"""Places that halve the work or split it in thirds: for a stream over several nodes the slowest stage counts."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from model_registry.partition.network import Head, Network

TARGETS = (Fraction(1, 3), Fraction(1, 2), Fraction(2, 3))
_WINDOW = Fraction(2, 25)
"""A place counts as one within so much of the target; a stage of 0.58 instead of 0.5 still gives 1.7 times the rate."""


def balanced(network: Network, corners: Sequence[Head]) -> tuple[Head, ...]:
    """Return for each target the cheapest place near it that lies between two corners, unless a corner is near it."""
    found: list[Head] = []
    order = _order(network, corners)
    for target in TARGETS:
        if any(_is_near(network, corner, target) for corner in corners):
            continue
        head = _near(network, order, target)
        if head and network.is_possible(head) and head != network.all_nodes:
            found.append(head)
    return tuple(found)


def _near(network: Network, order: Sequence[int], target: Fraction) -> Head:
    """Return the best head that holds all that comes before the window, and nothing behind it."""
    total = sum(network.work_ns.values())
    least, most, done = [], [], 0
    for node in order:
        done += network.work_ns[node]
        if done <= (target - _WINDOW) * total:
            least.append(node)
        if done <= (target + _WINDOW) * total:
            most.append(node)
    low, high = _closed(network, least), _closed(network, most)
    return network.best(Fraction(0), least=low, most=high) if low <= high else frozenset()


def _closed(network: Network, nodes: Sequence[int]) -> Head:
    """Return the largest head within the nodes that parts no group that belongs together."""
    head = {*nodes}
    parted = [group for group in network.together if head & {*group} and not {*group} <= head]
    if not parted:
        return frozenset(head)
    dropped = {node for group in parted for node in group}
    first = next(index for index, node in enumerate(nodes) if node in dropped)
    return _closed(network, nodes[:first])


def _order(network: Network, corners: Sequence[Head]) -> list[int]:
    """Return all nodes, corner by corner and then as the file has them: every beginning of it is a head."""
    order: list[int] = []
    for head in (*corners, network.all_nodes):
        order += sorted(head - {*order})
    return order


def _is_near(network: Network, head: Head, target: Fraction) -> bool:
    return abs(Fraction(network.work(head), sum(network.work_ns.values())) - target) <= _WINDOW
