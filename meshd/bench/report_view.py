"""The benchmark's figures for a person."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.bench.report import Quantiles, Report
from meshd.bench.targets import TARGETS
from meshd.cli.view.columns import columns


def report_view(report: Report) -> RenderableType:
    """Return where it was measured, the targets, then the figures behind them."""
    machine = report.machine
    where = f"{machine.cpu}, {machine.cores} cores, load {machine.load:g} · {machine.system}"
    what = f"meshd {machine.meshd} · Python {machine.python} · onnxruntime {machine.onnxruntime}"
    rate = f"{report.throughput_rps:,.0f} requests a second from 16 clients at once"
    return Group(
        Text(f"{where}\n{what}", style="dim"), "", _targets(report), "", _times(report), rate, "", _nodes(report)
    )


def _targets(report: Report) -> Table:
    table = columns("figure", "measured", "at most", "", right=("measured", "at most"))
    for target in TARGETS:
        measured, most = (f"{value:.{target.digits}f} {target.unit}" for value in (target.figure(report), target.most))
        met = Text("met", style="green") if target.is_met(report) else Text("missed", style="bold red")
        table.add_row(target.what, measured, most, met)
    return table


def _times(report: Report) -> Table:
    table = columns("the tiny model", "p50", "p99", right=("p50", "p99"))
    table.add_row("run bare", *_microseconds(report.run_us))
    table.add_row("asked of the watch", *_microseconds(report.local_us))
    table.add_row("asked of the watch, run by the hub", *_microseconds(report.remote_us))
    return table


def _microseconds(times: Quantiles) -> tuple[str, str]:
    return f"{times.p50:.0f} µs", f"{times.p99:.0f} µs"


def _nodes(report: Report) -> Table:
    table = columns("daemon", "resident", "idle", right=("resident", "idle"))
    for name, resident_mb in report.resident_mb.items():
        table.add_row(str(name), f"{resident_mb:.1f} MB", f"{report.idle_cpu_percent[name]:.2f} %")
    return table
