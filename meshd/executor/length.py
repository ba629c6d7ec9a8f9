"""How long inputs may be: the few lengths at which a model with free axes is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from meshd.executor.input_contract import BATCH
from meshd.executor.tensor_rule import Extents
from model_registry.manifest import Manifest
from model_registry.tensor import Axis, Tensor

_STEPS = 3
"""Lengths beside the shortest: with attention the time grows by its square, and a line between two would be far off."""


class Length(Struct, frozen=True, kw_only=True):
    """One item of some length."""

    extents: Extents
    item_bytes: int


class Lengths:
    """The lengths of one model's inputs. Where all are of one, there is only the shortest, and nothing to compute."""

    def __init__(self, manifest: Manifest) -> None:
        self._inputs = manifest.inputs
        named = {extent for tensor in manifest.inputs for extent in tensor.shape if isinstance(extent, str)}
        self._axes = {name: manifest.axes[name] for name in named}
        self._shortest = {name: axis.min for name, axis in self._axes.items()}
        self.are_free = any(_is_free(name, axis) for name, axis in self._axes.items())

    def to_time(self) -> tuple[Length, ...]:
        """Return the shortest, then longer ones in even ratios up to the longest, all free axes together."""
        steps = range(_STEPS + 1) if self.are_free else (0,)
        lengths = {length.item_bytes: length for length in map(self._at, (step / _STEPS for step in steps))}
        return tuple(sorted(lengths.values(), key=lambda length: length.item_bytes))

    def item_bytes(self, extents: Mapping[str, int]) -> int:
        """Return the bytes of one item of these extents; axes that are not named there are as short as they may be."""
        return _bytes(self._inputs, {**self._shortest, **extents, BATCH: 1})

    def _at(self, share: float) -> Length:
        """Return the length this share of the way, in orders of magnitude, from the shortest to the longest."""
        extents = {
            name: round(axis.min * (axis.max / axis.min) ** share) if _is_free(name, axis) else axis.min
            for name, axis in self._axes.items()
        }
        return Length(extents=extents, item_bytes=self.item_bytes(extents))


def _is_free(name: str, axis: Axis) -> bool:
    return name != BATCH and axis.max > axis.min


def _bytes(tensors: Sequence[Tensor], extents: Mapping[str, int]) -> int:
    return sum(tensor.bytes_of(extents) for tensor in tensors)
