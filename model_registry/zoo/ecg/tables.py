"""Figures for people."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

Figures = dict[str, Any]


def show(figures: Figures) -> None:
    """Print an evaluation as tables on stdout."""
    console = Console()
    console.print(f"{figures['windows']} windows of ten seconds, {figures['anomalous']} of them anomalous")
    for table in (_tiers(figures), _ways(figures), _beats(figures), _sweep(figures)):
        console.print(table)
    cascade, daily = figures["cascade"], figures["at_5_percent"]
    _shares(console, "of these windows", cascade)
    if daily:
        _shares(console, "of a stream with 5 % anomalous", daily)
    for name, folds in figures.get("auroc_by_fold", {}).items():
        known = [value for value in folds if value is not None]
        console.print(f"AUROC of each fold, {name}: {' '.join(map(_number, folds))}, mean {fmean(known):.4f}")
    fewer = missed_fewer(figures)
    if fewer is not None:
        console.print(f"missed anomalies at the cascade's specificity: {_percent(fewer)} fewer than the watch alone")


def missed_fewer(figures: Figures) -> float | None:
    """Return by which share the cascade misses fewer anomalies than the watch alone at the same specificity."""
    alone, together = figures["watch_only"]["sensitivity"], figures["cascade"]["sensitivity"]
    return None if alone is None or alone == 1 else 1 - (1 - together) / (1 - alone)


def _tiers(figures: Figures) -> Table:
    table = _table("tier, at its own threshold", "AUROC", "sensitivity", "specificity", "bytes", "p50 ms")
    for name, tier in figures["tiers"].items():
        size, p50_ms = tier.get("bytes"), tier.get("p50_ms")
        table.add_row(
            name,
            _number(tier["auroc"]),
            _percent(tier["sensitivity"]),
            _percent(tier["specificity"]),
            f"{size:,}" if size else "-",
            f"{p50_ms:.2f}" if p50_ms else "-",
        )
    return table


def _ways(figures: Figures) -> Table:
    table = _table("way, at the cascade's specificity", "AUROC", "sensitivity", "specificity", "energy (estimate), J")
    for name in ("watch_only", "cascade", "hub_only"):
        way = figures[name]
        table.add_row(
            name.replace("_", " "),
            _number(way.get("auroc")),
            _percent(way["sensitivity"]),
            _percent(way["specificity"]),
            f"{way['energy_joules']:.2f}",
        )
    return table


def _beats(figures: Figures) -> Table:
    table = _table("beats on the hub", "sensitivity", "positive predictivity")
    for name, beat in figures["beats"].items():
        table.add_row(name, _percent(beat["sensitivity"]), _percent(beat["positive_predictivity"]))
    return table


def _sweep(figures: Figures) -> Table:
    table = _table("radio, uJ per byte", "cascade, J", "hub only, J", "saved")
    for row in figures["energy_sweep"]:
        saved = 1 - row["cascade"] / row["hub_only"]
        table.add_row(
            f"{row['joules_per_byte'] * 1e6:.2f}", f"{row['cascade']:.2f}", f"{row['hub_only']:.2f}", _percent(saved)
        )
    return table


def _shares(console: Console, stream: str, shares: Figures) -> None:
    leaving, reaching = _percent(shares["share_leaving_watch"]), _percent(shares["share_reaching_hub"])
    console.print(f"{stream}: {leaving} leave the watch, {reaching} reach the hub")


def _table(*columns: str) -> Table:
    table = Table()
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
