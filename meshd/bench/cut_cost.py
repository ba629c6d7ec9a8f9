"""What cutting a model costs in itself, before anything travels."""

from __future__ import annotations

from msgspec import Struct


class CutCost(Struct, frozen=True, kw_only=True):
    """One cut of a model: processor time of head and tail against that of the whole, in one process."""

    model: str
    work: float
    """Share of the whole before it."""
    whole_ms: float
    ratio: float
    """Of both parts to the whole."""
