"""Every place that can be the best one at some ratio of link to processors: the lower hull of work against bytes.

Whatever the speeds of two nodes and of the link, the time of a plan grows linearly with the head's work and with the
bytes that cross. So only corners of the lower hull can be best, and since the cost is submodular they are nested: a
head that is best at a lower price of work holds those that are best at higher ones (Topkis 1978; Gallo, Grigoriadis and
Tarjan 1989). Between two corners the price at which both cost the same finds another or shows that there is none
(Eisner & Severance 1976).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from model_registry.partition.network import Head, Network


def hull(network: Network) -> tuple[Head, ...]:
    """Return the heads at the corners between nothing and the whole, smallest first."""
    return tuple(_between(network, frozenset(), network.all_nodes))


def _between(network: Network, less: Head, more: Head) -> Iterator[Head]:
    work = network.work(more) - network.work(less)
    if work <= 0:
        return
    price = Fraction(network.bytes(less) - network.bytes(more), work)
    found = network.best(price, least=less, most=more)
    if found in {less, more} or _cost(network, found, price) >= _cost(network, less, price):
        return
    yield from _between(network, less, found)
    yield found
    yield from _between(network, found, more)


def _cost(network: Network, head: Head, price: Fraction) -> Fraction:
    return network.bytes(head) + price * network.work(head)
