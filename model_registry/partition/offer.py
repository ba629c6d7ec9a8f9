"""Which of many places are worth a scheduler's time: those without which some household would be served worse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.partition.network import Head, Network

_SPEEDS = np.geomspace(0.25, 32, 8)
"""Of the node behind, in units of the one before."""
_TRANSFERS = np.geomspace(1e-3, 1e2, 16)
"""Seconds that the input takes on the link, in units of a run before."""
_GAIN = 1.1
"""A plan is split only for at least so much: meshd's planner."""
_NEGLIGIBLE = 1.001


def offered(network: Network, heads: Sequence[Head], most: int) -> tuple[Head, ...]:
    """Return at most so many of nested heads, smallest first, and at least one if there is one.

    Dropped are those that are missed least: by the mean loss over speeds and links, when one run is to end early and
    when a stream is to flow, with running all of it where the input is as the other way to do it.
    """
    kept = sorted({*heads}, key=len)
    costs = [_costs(network, head) for head in kept]
    while len(kept) > 1:
        losses = [_loss(costs[:index] + costs[index + 1 :], costs) for index in range(len(kept))]
        least = int(np.argmin(losses))
        if len(kept) <= most and losses[least] >= _NEGLIGIBLE:
            break
        del kept[least], costs[least]
    return tuple(kept)


def pays(network: Network, head: Head) -> bool:
    """Tell whether a place gains enough in any setting: a head of nearly all the work never does."""
    return bool((_costs(network, head) < 1 / _GAIN).any())


def _loss(left: Sequence[NDArray[Any]], before: Sequence[NDArray[Any]]) -> float:
    return float((_best(left) / _best(before)).mean())


def _best(costs: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.asarray(np.minimum(np.min(np.stack(costs), axis=0), 1 / _GAIN))


def _costs(network: Network, head: Head) -> NDArray[Any]:
    """Return what one place costs in every setting, in units of the whole here: one run, then one of many in a row."""
    work = network.work(head) / network.work(network.all_nodes)
    crossing = network.bytes(head) / max(network.bytes(frozenset()), 1)
    link = crossing * _TRANSFERS[:, None] + np.zeros_like(_SPEEDS)
    behind = (1 - work) / _SPEEDS + np.zeros_like(link)
    slowest = np.maximum(np.maximum(work, behind), link)
    return np.stack([work + link + behind, slowest])
