"""The report of an import in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from model_registry.advice.recommendation import Advice
from model_registry.advice.remarks import remarks
from model_registry.convert.report import content
from model_registry.convert.sweep import Sweep

_COSTS = ("median", "99 %", "memory")


def table(sweep: Sweep, advice: Sequence[Advice]) -> RenderableType:
    """Return the variants with what they cost here, which to run where, and what was not made."""
    return Group(_variants(sweep, advice), Text(), *_advised(advice, sweep), *_not_made(sweep), *_notes(sweep))


def _variants(sweep: Sweep, advice: Sequence[Advice]) -> Table:
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column("variant", no_wrap=True)
    energies = content.energies(sweep)
    for name in ("size", content.metric_name(sweep), "change", *_COSTS, *(("energy",) if energies else ())):
        grid.add_column(name, justify="right", no_wrap=True)
    for row in content.rows(sweep, advice):
        figures = (row.size, row.accuracy, row.change, row.p50, row.p99, row.memory)
        spent = (row.energy,) if energies else ()
        grid.add_row(Text(row.name, "bold" if row.advised else ""), *figures, *spent)
    return grid


def _advised(advice: Sequence[Advice], sweep: Sweep) -> Iterator[Text]:
    for each in advice:
        what = (each.variant or "none", "bold green" if each.variant else "bold red")
        yield Text.assemble((f"{each.device.name:9}", "dim"), what, "  ", " ".join(each.reasons[:2]))
    yield from map(Text, remarks(advice, sweep.draft.axes))


def _not_made(sweep: Sweep) -> Iterator[Text]:
    for names, reason in content.reasons(sweep).items():
        yield Text.assemble(("not made ", "dim"), (names, "yellow"), f"  {reason}")


def _notes(sweep: Sweep) -> Iterator[Text]:
    yield Text(
        f"\n{content.judged_on(sweep)} Latency: processor time of one item, one core of {sweep.processor}.", "dim"
    )
