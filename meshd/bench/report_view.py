"""The benchmark's figures for a person."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.bench.plans_view import plans_view
from meshd.bench.report import Conversion, Quantiles, Report
from meshd.bench.targets import TARGETS, Target
from meshd.cli.view.columns import columns
from meshd.cli.view.words import NOTHING, percent, size


def report_view(report: Report) -> RenderableType:
    """Return where it was measured, the targets, then the figures behind them."""
    machine = report.machine
    where = f"{machine.cpu}, {machine.cores} cores, load {machine.load:g} · {machine.system}"
    what = f"meshd {machine.meshd} · Python {machine.python} · onnxruntime {machine.onnxruntime}"
    rate = f"{report.throughput_rps:,.0f} requests a second from 16 clients at once"
    if report.mlserver_rps:
        rate += f", {report.mlserver_ratio:.1f} times MLServer's {report.mlserver_rps:,.0f}"
    return Group(
        Text(f"{where}\n{what}", style="dim"),
        *("", _targets(report)),
        *("", _times(report), rate),
        *("", _nodes(report)),
        *("", *_travels(report)),
        *(("", _variants(report.conversion)) if report.conversion else ()),
        *(("", plans_view(report.plans, report.pipeline)) if report.plans else ()),
    )


def _travels(report: Report) -> tuple[str, str]:
    moved, mended = report.distribution, report.healing
    travels = (
        f"a model of {size(moved.size_bytes)} travels at {size(round(moved.fetch_bps))}/s; meanwhile requests take, at "
        f"the 99th percentile, {moved.fetching_p99_ratio:g} times as long where it arrives and "
        f"{moved.lending_p99_ratio:g} times as long on the link that it comes by"
    )
    heals = (
        f"{mended.rounds} flipped bytes beside {mended.requests:,} requests: found in {mended.found_s:g} s, mended in "
        f"{mended.mended_s:g} s (medians); a scrub reads {size(round(mended.scrub_bps))}/s"
    )
    return travels, heals


def _variants(conversion: Conversion) -> Table:
    table = columns("variant", "size", "latency", right=("size", "latency"))
    for model, ratio in conversion.int8.items():
        table.add_row(f"{model}: int8 of float32", percent(ratio.size), percent(ratio.latency))
    distilled = conversion.distilled.ratio
    table.add_row("distilled watch of the hub", percent(distilled.size), percent(distilled.latency))
    if conversion.int4 is not None:
        cosines = f"sentence cosine {conversion.int4.int8_cosine:.3f} to {conversion.int4.int4_cosine:.3f}"
        table.add_row("int4 of int8, a transformer's matrices", percent(conversion.int4.size), cosines)
    return table


def _targets(report: Report) -> Table:
    table = columns("figure", "measured", "target", "", right=("measured", "target"))
    for target in TARGETS:
        measured, bound = (_amount(value, target) for value in (target.figure(report), target.bound))
        limit = f"{'at least' if target.is_floor else 'at most'} {bound}"
        table.add_row(target.what, measured, limit, _VERDICTS[target.is_met(report)])
    return table


def _amount(value: float | None, target: Target) -> str:
    return NOTHING if value is None else f"{value:.{target.digits}f} {target.unit}".rstrip()


_VERDICTS = {
    True: Text("met", style="green"),
    False: Text("missed", style="bold red"),
    None: Text("not measured", style="dim"),
}


def _times(report: Report) -> Table:
    table = columns("what takes how long", "p50", "p99", right=("p50", "p99"))
    table.add_row("the tiny model, run bare", *_microseconds(report.run_us))
    table.add_row("asked of the watch", *_microseconds(report.local_us))
    table.add_row("asked of the watch, run by the hub", *_microseconds(report.remote_us))
    table.add_row("602 kB to a peer, 20 bytes back", *_microseconds(report.large_tensor_us))
    for n_nodes, taken in report.decision_us.items():
        table.add_row(f"a decision among {n_nodes:,} nodes", *_microseconds(taken))
    return table


def _microseconds(times: Quantiles) -> tuple[str, str]:
    return f"{times.p50:.0f} µs", f"{times.p99:.0f} µs"


def _nodes(report: Report) -> Table:
    table = columns("daemon", "resident", "idle", right=("resident", "idle"))
    for name, resident_mb in report.resident_mb.items():
        table.add_row(str(name), f"{resident_mb:.1f} MB", f"{report.idle_cpu_percent[name]:.2f} %")
    return table
