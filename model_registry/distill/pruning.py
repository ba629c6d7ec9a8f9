"""Structured pruning: whole channels leave the file and the arithmetic, and the layers behind them are fitted again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from model_registry.distill.channels import Group, groups
from model_registry.distill.errors import DistillError
from model_registry.distill.reconstruction import activations, refittable, refitted
from model_registry.distill.surgery import prepared, weights, without

Arrays = Mapping[str, NDArray[Any]]
FEWEST_CHANNELS = 2
CALIBRATION = 256
"""Examples that channels are chosen and layers fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """The smaller model, what it lost of how many channels, and why others had to stay."""

    model: ModelProto
    removed: int
    channels: int
    left_whole: tuple[str, ...]


def prune(content: bytes, share: float, examples: Arrays, told: Callable[[str], None]) -> Pruned:
    """Take `share` of the channels out of every group that allows it; of each at least FEWEST_CHANNELS stay.

    Raises: DistillError for a share outside (0, 1), and when nothing can be taken out.
    """
    if not 0 < share < 1:
        raise DistillError(f"A share of {share:g} cannot be taken away.", hint="Give one between 0 and 1, such as 0.5.")
    whole = prepared(content)
    found = groups(whole)
    chosen = [group for group in found if group.removable and _stay(group, share) < group.size]
    reasons = tuple(dict.fromkeys(why for group in found for why in sorted(group.held)))
    if not chosen:
        raise DistillError(f"No channel can be taken away: {'; '.join(reasons)}.", hint="Distil a student instead.")
    shown = {name: part[:CALIBRATION] for name, part in examples.items()}
    told("weighing channels")
    kept = {group: _kept(whole, group, _stay(group, share), shown) for group in chosen}
    pruned = without(whole, kept)
    layers = list(_behind(whole, chosen))
    for at, node in enumerate(layers, start=1):
        told(f"fitting layer {at} of {len(layers)}")
        pruned = _fitted(whole, pruned, node, kept, shown)
    return Pruned(
        model=pruned,
        removed=sum(group.size - len(channels) for group, channels in kept.items()),
        channels=sum(group.size for group in found),
        left_whole=reasons,
    )


def _stay(group: Group, share: float) -> int:
    return max(int(np.ceil(group.size * (1 - share))), min(FEWEST_CHANNELS, group.size))


def _kept(model: ModelProto, group: Group, count: int, examples: Arrays) -> NDArray[np.intp]:
    """Return the channels that the next layers would miss most: by how far they swing, times the weights on them."""
    constants, worth = weights(model), np.zeros(group.size)
    for node in model.graph.node:
        for slot in group.taken:
            if slot.constant in node.input:
                value = activations(model, [node.input[0]], examples)[node.input[0]]
                swing = np.moveaxis(value, 1, 0).reshape(group.size, -1).std(1)
                pull = np.moveaxis(constants[slot.constant], slot.axis, 0).reshape(group.size, -1)
                worth += (swing * np.linalg.norm(pull, axis=1)) ** 2
    return np.sort(np.argsort(-worth, kind="stable")[:count])


def _behind(model: ModelProto, chosen: list[Group]) -> Iterator[NodeProto]:
    """Yield the layers that lose inputs, in the order of the graph."""
    lost, constants = {slot.constant for group in chosen for slot in group.taken}, weights(model)
    for node in model.graph.node:
        if lost & set(node.input) and refittable(node, constants[node.input[1]].ndim):
            yield node


def _fitted(
    whole: ModelProto, pruned: ModelProto, node: NodeProto, kept: Mapping[Group, NDArray[np.intp]], examples: Arrays
) -> ModelProto:
    wanted = activations(whole, [node.output[0]], examples)[node.output[0]]
    for group, channels in kept.items():
        if node.output[0] in group.values:
            wanted = np.take(wanted, channels, axis=1)
    same = next(other for other in pruned.graph.node if other.name == node.name)
    return refitted(pruned, same, wanted, examples)
