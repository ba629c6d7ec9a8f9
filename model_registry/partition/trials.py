"""The runs on which parts are held against the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.convert import axes as axis_rules
from model_registry.convert.feed import Feed
from model_registry.convert.noise import noise, repeated
from model_registry.partition.trace import usual_extents
from model_registry.tensor import Axis, Tensor

Inputs = Mapping[str, NDArray[Any]]
_SEEDS = 12
_MOST_ITEMS = 256
"""Of the user's own data; more would only take longer."""


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Inputs of a model: the user's, or noise from seeds."""

    inputs: tuple[Tensor, ...]
    axes: Mapping[str, Axis]
    feed: Feed | None
    """The user's."""

    def drawn(self, extents: Mapping[str, int], seed: int = 0) -> dict[str, NDArray[Any]]:
        """Return inputs of these extents: the first of the user's repeated or cut to them, else noise."""
        if self.feed:
            return repeated(self.feed.one(), self.inputs, extents)
        return noise(self.inputs, extents, seed=seed)

    def usual(self) -> dict[str, NDArray[Any]]:
        """Return one item as it usually comes: the user's first, or noise."""
        return self.feed.one() if self.feed else self.drawn(usual_extents(self.axes))

    def runs(self) -> Iterator[Inputs]:
        """Yield all runs, among them one at each of several extents of every axis."""
        if self.feed:
            yield from islice(self.feed.batches(), -(-_MOST_ITEMS // self.feed.batch_items))
        usual = usual_extents(self.axes)
        yield from (self.drawn({**usual, **extents}, seed=1) for extents in axis_rules.trials(self.axes))
        if not self.feed:
            yield from (self.drawn(usual, seed) for seed in range(_SEEDS))

    def items(self) -> list[Inputs]:
        """Return single items to measure encodings on."""
        if self.feed is None:
            return [self.drawn(usual_extents(self.axes), seed) for seed in range(_SEEDS)]
        one = min(self.feed.items, 64)
        single = Feed(samples=self.feed.samples.pick(np.arange(one)), inputs=self.inputs, axes=_of_one(self.axes))
        return list(single.batches())

    @property
    def described(self) -> str:
        """Return in a few words what they are."""
        if self.feed is None:
            return "noise drawn from seeds: it shows damage, not accuracy"
        return f"{min(self.feed.items, _MOST_ITEMS)} items of {self.feed.samples.name}"[:128]


def _of_one(axes: Mapping[str, Axis]) -> dict[str, Axis]:
    """Return the axes with a batch of the fewest items."""
    return {name: Axis(min=a.min, max=a.min) if name == axis_rules.BATCH else a for name, a in axes.items()}
