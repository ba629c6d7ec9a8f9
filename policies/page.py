"""Pages that need nothing else: no script, no font, no request; all of them in the style of meshd's."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from msgspec import Struct

_STYLED_LIKE = "model_registry.convert.report"
"""Whose style sheet they bear."""


class Card(Struct, frozen=True, kw_only=True):
    """One figure, large."""

    title: str
    figure: str
    text: str


class Plot(Struct, frozen=True, kw_only=True):
    """A drawing and what it shows."""

    svg: str
    caption: str


def rendered(package: str, **told: object) -> str:
    """Return ``page.html`` of a package as HTML; texts that are told stay text there, never markup."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader(_STYLED_LIKE, ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page: str = environment.get_template("page.html").render(told)
    return page
