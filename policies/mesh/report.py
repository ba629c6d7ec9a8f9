"""What a comparison of mesh and simulator shows: tables for people, JSON for programs, a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from model_registry.extra import installing
from policies.errors import PoliciesError
from policies.mesh.calibration import Calibration
from policies.mesh.comparison import Comparison, Row
from policies.mesh.question import HOUSEHOLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GOAL = 0.15
"""The median error that a simulator should keep to."""
_COLOURS = dict(zip(HOUSEHOLD, ("#d9a441", "#c8553d", "#2f6690"), strict=True))


def calibration_tables(calibration: Calibration) -> list[Table]:
    """Return what was fitted, node by node and link by link."""
    nodes = Table("node", "run", "further item", "spread", "loading", "handling", "of 1 kB", "waking", title="nodes")
    for name, fit in calibration.nodes.items():
        seconds = (fit.load_s, fit.handling_s, fit.handling_byte_s * 1e3, fit.waking_s)
        nodes.add_row(name, _ms(fit.compute_s), f"{fit.further_item:.0%}", f"{fit.spread:.0%}", *map(_ms, seconds))
    links = Table("from", "to", "delay", "rate", "jitter", title="links")
    for link in calibration.links:
        rate = f"{link.rate_bps / 1e6:.3g} Mbit/s"
        links.add_row(link.sender, link.receiver, _ms(link.delay_s), rate, f"{link.jitter:.0%}")
    return [nodes, links]


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Return how far off the simulator was: over all, and by node, tier and route."""
    whole = comparison.overall
    told = f"{comparison.n_asked} asked; unanswered {comparison.n_missed}, simulated {comparison.n_missed_in_simulator}"
    kinds = {"asked": comparison.nodes, "answered by": comparison.tiers, "route": comparison.routes}
    tables = [_table(kind, rows) for kind, rows in kinds.items()]
    verdict = "within" if whole.median_error <= GOAL else "beyond"
    tables.append(_table("all", {f"median error {whole.median_error:.1%}, {verdict} {GOAL:.0%}": whole}))
    tables[-1].caption = told
    return tables


def write_json(comparison: Comparison, path: Path) -> None:
    """Write all figures, and every request's pair of latencies."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(comparison), indent=1))


def draw(comparison: Comparison, path: Path) -> None:
    """Draw every request: what it took to the right, what was simulated upwards; SVG or PNG by the file's name.

    Raises:
        PoliciesError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415 - who only asks for help needs none
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError as error:
        hint = f"Run: {installing('train')}"
        raise PoliciesError(f"The picture needs '{error.name}', which is not installed.", hint=hint) from error
    with rc_context({"font.size": 9, "axes.spines.right": False, "axes.spines.top": False, "svg.hashsalt": "mesh"}):
        figure = Figure(figsize=(5.2, 4.8), layout="constrained")
        _scatter(figure.add_subplot(), comparison)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _scatter(axes: Axes, comparison: Comparison) -> None:
    for tier, colour in _COLOURS.items():
        pairs = [pair for pair in comparison.pairs if pair.tier is tier]
        real_ms, simulated_ms = [pair.real_s * 1e3 for pair in pairs], [pair.simulated_s * 1e3 for pair in pairs]
        label = f"answered by the {tier}"
        axes.scatter(real_ms, simulated_ms, s=12, color=colour, alpha=0.6, linewidths=0, label=label)
    both_ms = [seconds * 1e3 for pair in comparison.pairs for seconds in (pair.real_s, pair.simulated_s)]
    ends = [0.8 * min(both_ms), 1.25 * max(both_ms)]
    axes.plot(ends, ends, color="#22303c", linewidth=0.8)
    axes.fill_between(
        ends, [end * (1 - GOAL) for end in ends], [end * (1 + GOAL) for end in ends], color="#22303c", alpha=0.1, lw=0
    )
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="real daemons, ms", ylabel="simulator, ms")
    axes.set_title(f"{len(comparison.pairs)} requests, median error {comparison.overall.median_error:.1%}", loc="left")
    axes.legend(frameon=False)


def _table(kind: str, rows: Mapping[str, Row]) -> Table:
    table = Table(kind, "requests", "median error", "same tier", "p50 real", "simulated", "p90 real", "simulated")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in rows.items():
        times = (row.real_p50_ms, row.simulated_p50_ms, row.real_p90_ms, row.simulated_p90_ms)
        told = (f"{row.median_error:.1%}", f"{row.same_tier:.0%}", *(f"{ms:.2f} ms" for ms in times))
        table.add_row(name, str(row.n_requests), *told)
    return table


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
