"""Which network was judged."""

from __future__ import annotations

from typing import Self

from msgspec import Struct

from meshd.policy.record import Record

_N_DIGITS = 12


class Network(Struct, frozen=True, kw_only=True):
    """The very network that was judged: many may bear one name."""

    name: str
    sha256: str
    training: dict[str, str | int | float]
    """How it came about: its seed, and how much it learned from."""

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return what a network's record says of it."""
        return cls(name=record.name, sha256=record.sha256, training=record.training)

    @property
    def short(self) -> str:
        """Return what stands over a column of its own."""
        return f"seed {self.training.get('seed', '?')}, {self.sha256[:_N_DIGITS]}"

    @property
    def told(self) -> str:
        """Return what a person tells it by: the digits that ``meshd status`` shows as well."""
        seed = self.training.get("seed", "nobody knows which")
        return f"{self.name} {self.sha256[:_N_DIGITS]}, of the training with seed {seed}"
