"""Drawings inside a page: text stays text, colours are the page's own."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# matplotlib knows no variables of a style sheet: it draws in stand-ins, which are replaced in what it wrote.
_VARIABLES = {"#010203": "var(--ink)", "#040506": "var(--quiet)", "#070809": "var(--accent)", "#0a0b0c": "var(--line)"}
INK, QUIET, ACCENT, LINE = _VARIABLES
_ALONE = ":root{--ink:#1d2126;--quiet:#5b636d;--accent:#0b62a8;--line:#d9d7d0;background:#fbfaf7}"
"""The light colours of ``page.css``."""
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": QUIET,
    "text.parse_math": False,
}


def drawn(draw: Callable[[Axes], None], *, size_in: tuple[float, float], style: Mapping[str, Any], unique: str) -> str:
    """Return an ``svg`` element of what ``draw`` puts on axes, with some of the style its own.

    ``unique`` keeps the element's ids apart from those of others.
    """
    with mpl.rc_context({**_STYLE, **style, "svg.hashsalt": unique}):
        figure = Figure(figsize=size_in, layout="constrained")
        axes = figure.add_subplot()
        axes.tick_params(which="both", length=0)
        draw(axes)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inlined(written.getvalue(), unique)


def standalone(element: str) -> str:
    """Return what :func:`drawn` returned as a file of its own, which has no page to take its colours from."""
    return element.replace(">", f">\n <style>{_ALONE}</style>", 1)


def _inlined(written: str, unique: str) -> str:
    """Return the svg element alone, as wide as its place allows, in the page's colours and with ids of its own."""
    element = written[written.index("<svg") :]
    element = re.sub(r"<(metadata|style)\b.*?</\1>", "", element, flags=re.DOTALL)
    element = re.sub(r'^(<svg[^>]*?) width="[^"]*"', r"\1", element)
    element = re.sub(r'^(<svg[^>]*?) height="[^"]*"', r"\1", element)
    element = re.sub(r'\bid="', f'id="{unique}-', element)
    element = re.sub(r'(href="|url\()#', rf"\1#{unique}-", element)
    for stand_in, variable in _VARIABLES.items():
        element = element.replace(stand_in, variable)
    return element.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
