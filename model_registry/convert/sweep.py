"""What a sweep brought forth: variants with what they cost, and those that were not made, with the reason."""

from __future__ import annotations

from msgspec import Struct

from model_registry.convert.draft import Draft
from model_registry.tier import Variant


class Made(Struct, frozen=True, kw_only=True):
    """A variant that was made, loads, runs, and was measured on this machine.

    `variant.file` lies below the bundle's folder. `variant.costs` holds one measured cost of one thread of this
    machine: p50, p99, peak memory of the whole process at the largest input, joules where the processor's class says.
    """

    variant: Variant
    load_s: float
    note: str = ""
    """What a person should know of how it was made; one sentence, or nothing."""


class NotMade(Struct, frozen=True, kw_only=True):
    """A variant that was asked for and is not there."""

    name: str
    reason: str
    """One or two sentences: why, and what would change it."""


class Sweep(Struct, frozen=True, kw_only=True):
    """Everything that one import made of one model."""

    draft: Draft
    origin: str
    """The file that was imported, by its name."""
    origin_bytes: int
    processor: str
    """What the costs were measured on: the `device` of each."""
    made: tuple[Made, ...]
    """In the order in which they were made, the reference first."""
    not_made: tuple[NotMade, ...]
    reference: str
    """Name of the variant that the others are compared with."""
    metric: str
    """Which figure of `variant.accuracy` to judge by; of every such figure, more is better."""
    took_s: float

    def variant(self, name: str) -> Variant | None:
        """Return the variant called `name`, if it was made."""
        return next((made.variant for made in self.made if made.variant.name == name), None)

    def loss(self, name: str) -> float | None:
        """Return how much less of the metric a variant has than the reference; below 0 where it has more.

        None where either was not measured.
        """
        here, there = self.variant(name), self.variant(self.reference)
        if here is None or there is None or not {self.metric} <= here.accuracy.keys() & there.accuracy.keys():
            return None
        return there.accuracy[self.metric] - here.accuracy[self.metric]
