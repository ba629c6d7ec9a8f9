"""The one form of table that all views share: no lines, quiet headings, two spaces between columns."""

from __future__ import annotations

from collections.abc import Collection

from rich.table import Table


def columns(*names: str, right: Collection[str] = (), wrapping: Collection[str] = ()) -> Table:
    """Return an empty table; figures stand at the right, and only the columns named ``wrapping`` take two lines."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name not in wrapping)
    return table
