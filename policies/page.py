"""What the pages of the training side have in common: large figures and drawings, in the style of meshd's."""

from __future__ import annotations

from msgspec import Struct

from model_registry.convert.rendering import rendered

__all__ = ["Card", "Plot", "rendered"]


class Card(Struct, frozen=True, kw_only=True):
    """One figure, large."""

    title: str
    figure: str
    text: str


class Plot(Struct, frozen=True, kw_only=True):
    """A drawing and what it shows."""

    svg: str
    caption: str
