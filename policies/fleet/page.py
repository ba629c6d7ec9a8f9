"""A fleet as one page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from pathlib import Path

from model_registry.convert.rendering import rendered
from policies.fleet.plots import DRAWINGS
from policies.fleet.result import Figures, FleetResult
from policies.fleet.table import HEADS, WORST_HEADS, cells, worst_cells


def write_page(result: FleetResult, path: Path) -> None:
    """Write a fleet as one HTML file."""
    path.write_text(page(result), encoding="utf-8")


def page(result: FleetResult) -> str:
    """Return a fleet as HTML; names are text there, never markup."""
    return rendered(
        "policies.fleet",
        result=result,
        plots=[(draw(result, unique), caption) for unique, (draw, caption) in DRAWINGS.items()],
        heads=HEADS,
        groups={"all homes": _rows(result.overall)} | {name: _rows(one) for name, one in result.families.items()},
        worst_heads=WORST_HEADS,
        worst={name: worst_cells(one) for name, one in result.overall.items() if one.worst},
    )


def _rows(policies: dict[str, Figures]) -> list[list[str]]:
    ranked = sorted(policies.items(), key=lambda entry: -entry[1].reward.mean)
    return [[name, *cells(one)] for name, one in ranked]
