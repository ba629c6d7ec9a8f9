"""Tables of a study, the same for a terminal and a page, and how estimates are written in them."""

from __future__ import annotations

from msgspec import Struct
from rich.table import Table

from policies.evaluation.table import UNKNOWN
from policies.study.runs import Estimate

NOTHING = "none"


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


def value(estimate: Estimate | None, form: str, scale: float = 1.0) -> str:
    """Return an estimate's figure."""
    return NOTHING if estimate is None else f"{estimate.value * scale:{form}}"


def bounds(estimate: Estimate | None, form: str, scale: float = 1.0) -> str:
    """Return its interval; where some redraws have no such figure, of how many it is."""
    if estimate is None:
        return NOTHING
    if estimate.low is None or estimate.high is None:
        return UNKNOWN
    partly = "" if estimate.told_by == 1.0 else f" (of {estimate.told_by:.0%})"
    return f"{estimate.low * scale:{form}} … {estimate.high * scale:{form}}{partly}"
