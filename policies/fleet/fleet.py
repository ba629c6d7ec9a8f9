"""A fleet: homes one after the other, as many as are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from policies.evaluation.contender import Contender
from policies.fleet.home import Home, Life, live
from policies.scenario import Split
from policies.workers import Workers, in_order


class Fleet(Struct, frozen=True, kw_only=True):
    """Homes of some families in turn; of each family the seeds from the first on."""

    n_homes: int
    families: tuple[str, ...]
    contenders: tuple[Contender, ...]
    """The rule is among them."""
    first_seed: int = 0
    split: Split | None = None
    horizon_s: float | None = None
    traces: Path | None = None
    arrivals: Path | None = None

    def homes(self) -> Iterator[Home]:
        """Yield them."""
        for place in range(self.n_homes):
            yield Home(
                family=self.families[place % len(self.families)],
                seed=self.first_seed + place // len(self.families),
                contenders=self.contenders,
                split=self.split,
                horizon_s=self.horizon_s,
                traces=self.traces,
                arrivals=self.arrivals,
            )


def lived(fleet: Fleet, workers: Workers) -> Iterator[tuple[Home, list[Life]]]:
    """Yield each home with its lives, in the fleet's order: its figures are the same wherever it lives."""
    return zip(fleet.homes(), in_order(workers, live, fleet.homes(), name=lambda home: home.name), strict=True)
