"""Measure one scheduling decision in meshes of several sizes, and show it as a curve; and how many requests core leads.

Run: ``python -m benchmarks.decisions [--count 2000] [--json] [--plot FILE.svg]``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.over_nodes import plot_over_nodes
from meshd.bench.decisions import BOUNDS_US, MESHES, measure_decisions
from meshd.bench.lives import measure_lives
from meshd.bench.report import Quantiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = Mapping[str, Mapping[int, Quantiles]]


def plot(curves: Curves, path: Path) -> None:
    """Draw the curves and their bounds into a picture."""

    def draw(axes: Axes) -> None:
        for (name, curve), colour in zip(curves.items(), ("tab:blue", "tab:orange"), strict=True):
            axes.plot(list(curve), [taken.p50 for taken in curve.values()], "o--", color=colour, label=f"{name}, p50")
            axes.plot(list(curve), [taken.p99 for taken in curve.values()], "o-", color=colour, label=f"{name}, p99")
        axes.plot(list(BOUNDS_US), list(BOUNDS_US.values()), "kv", label="bound of the p99")
        axes.legend()

    plot_over_nodes(draw, MESHES, path, ylabel="one decision, microseconds")


def main() -> None:
    """Print the figures, as a table or as JSON, and draw them where asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="decisions per mesh; fewer in large ones")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="an SVG or PNG file to draw the curves into")
    arguments = parser.parse_args()
    curves = {
        "models that can be cut": measure_decisions(arguments.count),
        "whole models": measure_decisions(arguments.count, cut=False),
    }
    lives = measure_lives(2 * arguments.count)
    if arguments.plot:
        plot(curves, arguments.plot)
    if arguments.json:
        cut, whole = curves.values()
        figures = {"decision_us": cut, "decision_whole_us": whole, "lives_per_s": lives}
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
        return
    for name, curve in curves.items():
        sys.stdout.write(f"{name}\n{'nodes':>8}{'p50 us':>10}{'p99 us':>10}{'bound us':>10}\n")
        for n_nodes, taken in curve.items():
            sys.stdout.write(f"{n_nodes:>8}{taken.p50:>10.1f}{taken.p99:>10.1f}{BOUNDS_US.get(n_nodes, ''):>10}\n")
    sys.stdout.write("requests a second through one core, three nodes\n")
    for kind, rates in lives.items():
        sys.stdout.write(f"{kind:>8}" + "".join(f"{rate:>10} {way}" for way, rate in rates.items()) + "\n")


if __name__ == "__main__":
    main()
