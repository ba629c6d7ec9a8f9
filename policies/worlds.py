"""The worlds of one purpose: families, in whose devices and luck they are drawn, and which seeds."""

from __future__ import annotations

from msgspec import Struct

from policies.scenario import Scenario, Split, draw, family_names


class Worlds(Struct, frozen=True, kw_only=True):
    """Seeds [first_seed, first_seed + n_seeds) of some families, all in one split."""

    families: tuple[str, ...]
    split: Split
    first_seed: int = 0
    n_seeds: int = 1_000_000

    def draw(self, family: int, seed: int) -> Scenario:
        """Return the world of a family, and of a seed, by their places in their rows."""
        return draw(self.families[family], self.first_seed + seed, split=self.split)


def training_worlds() -> Worlds:
    """Return what a policy may learn from."""
    return Worlds(families=tuple(family_names(Split.TRAIN)), split=Split.TRAIN)


def validation_worlds(n_seeds: int) -> Worlds:
    """Return what may tell which policy is the best, from devices, recordings and luck that training never saw.

    Families of training are among them: two families alone say little.
    """
    families = (*family_names(Split.VALIDATION), *family_names(Split.TRAIN))
    return Worlds(families=families, split=Split.VALIDATION, n_seeds=n_seeds)
