"""A table of names and figures, the same for a terminal and a page."""

from __future__ import annotations

from msgspec import Struct
from rich.table import Table


class Sheet(Struct, frozen=True, kw_only=True):
    """One table."""

    title: str
    heads: tuple[str, ...]
    rows: list[list[str]]
    n_names: int = 1
    """Columns at the left that name a row; all others are figures."""

    def table(self) -> Table:
        """Return it for a terminal."""
        table = Table(*self.heads, title=self.title)
        for place, column in enumerate(table.columns):
            column.no_wrap = True
            column.justify = "left" if place < self.n_names else "right"
        for row in self.rows:
            table.add_row(*row)
        return table
