"""What the pages of the training side have in common: large figures and drawings."""

from __future__ import annotations

from msgspec import Struct


class Card(Struct, frozen=True, kw_only=True):
    """One figure, large."""

    title: str
    figure: str
    text: str


class Plot(Struct, frozen=True, kw_only=True):
    """A drawing and what it shows."""

    svg: str
    caption: str
