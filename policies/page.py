"""What the pages of the training side have in common: large figures and drawings, and what it takes to write them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from msgspec import Struct

from model_registry.extra import needing


class Card(Struct, frozen=True, kw_only=True):
    """One figure, large."""

    title: str
    figure: str
    text: str


class Plot(Struct, frozen=True, kw_only=True):
    """A drawing and what it shows."""

    svg: str
    caption: str


def page_module(package: str) -> ModuleType:
    """Return what writes a package's page: whoever wants none needs no matplotlib, and who lacks it hears so at once.

    Raises:
        ExtraMissing: matplotlib or jinja2 is missing.
    """
    with needing("convert", "The page"):
        return import_module(f"{package}.page")
