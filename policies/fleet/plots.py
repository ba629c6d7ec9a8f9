"""What the page of a fleet draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from model_registry.convert.report.drawing import ACCENT, INK, LINE, QUIET, drawn
from policies.fleet.result import PERCENTS, Distribution, Figures, FleetResult

_WIDTH_IN, _ROW_IN, _FRAME_IN = 4.2, 0.3, 0.7
"""About a phone's width, so that text keeps its size there."""
_STYLE = {"font.size": 9, "ytick.labelcolor": INK}
_DASHES = ("-", "--", ":", "-.")


def gains_svg(result: FleetResult, unique: str) -> str:
    """Return a drawing of each policy's gain over the rule, from the homes that lose most to those that gain most."""
    policies = {name: one for name, one in result.overall.items() if name != result.rule}

    def draw(axes: Axes) -> None:
        axes.axhline(0.0, color=QUIET, linewidth=0.8)
        for place, (name, one) in enumerate(policies.items()):
            gains = [one.gain.percentiles[percent] for percent in PERCENTS[1:-1]]
            axes.plot(
                PERCENTS[1:-1], gains, _DASHES[place % len(_DASHES)], color=ACCENT if not place else INK, label=name
            )
        axes.grid(visible=True, color=LINE, linewidth=0.5)
        axes.legend(frameon=False, fontsize=8)
        axes.xaxis.set_major_formatter(PercentFormatter())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("homes, those that lose most first")
        axes.set_ylabel(f"saved against {result.rule}")

    return drawn(draw, size_in=(_WIDTH_IN, 3.0), style=_STYLE, unique=unique)


def costs_svg(result: FleetResult, unique: str) -> str:
    """Return a drawing of what a request costs over homes."""
    costs = {name: one.reward for name, one in result.overall.items()}
    return _rows(costs, "cost of a request, joules: less is better", unique, sign=-1.0)


def tails_svg(result: FleetResult, unique: str) -> str:
    """Return a drawing of homes' 95 % latencies."""
    tails = {name: one.p95_ms for name, one in result.overall.items() if one.p95_ms is not None}
    return _rows(tails, "95 % are answered within, ms", unique)


def losses_svg(result: FleetResult, unique: str) -> str:
    """Return a drawing of the share of homes, by family, in which the rule does better."""
    families = sorted(result.families, reverse=True)
    policies = [name for name in result.overall if name != result.rule]

    def draw(axes: Axes) -> None:
        for place, name in enumerate(policies):
            shares = [_worse(result.families[family].get(name)) for family in families]
            rows = [row + 0.15 * place for row in range(len(families))]
            axes.plot(shares, rows, "o", color=ACCENT if not place else INK, alpha=1.0 / (1 + place), label=name)
        axes.set_yticks(range(len(families)), families)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlim(-0.02, 1.02)
        axes.grid(visible=True, axis="x", color=LINE, linewidth=0.5)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=8)
        axes.set_xlabel(f"homes where {result.rule} does better")

    return drawn(
        draw, size_in=(_WIDTH_IN, _FRAME_IN + _ROW_IN * (1 + max(2, len(families)))), style=_STYLE, unique=unique
    )


def _worse(one: Figures | None) -> float:
    return one.worse_than_rule if one is not None else 0.0


def _rows(distributions: Mapping[str, Distribution], label: str, unique: str, *, sign: float = 1.0) -> str:
    """Return a drawing of distributions, one a row: nine in ten thin, half of them thick, and the median."""
    ranked = sorted(distributions.items(), key=lambda entry: sign * entry[1].mean)

    def draw(axes: Axes) -> None:
        for row, (_, one) in enumerate(ranked):
            at = {percent: sign * number for percent, number in one.percentiles.items()}
            axes.plot([at[5], at[95]], [row, row], color=INK, linewidth=1)
            axes.plot([at[25], at[75]], [row, row], color=INK, linewidth=4)
            axes.plot(at[50], row, "o", color=ACCENT)
        axes.set_yticks(range(len(ranked)), [name for name, _ in ranked])
        axes.set_ylim(len(ranked) - 0.4, -0.6)
        axes.set_xlim(left=0.0)
        axes.grid(visible=True, axis="x", color=LINE, linewidth=0.5)
        axes.set_xlabel(label)

    return drawn(draw, size_in=(_WIDTH_IN, _FRAME_IN + _ROW_IN * max(2, len(ranked))), style=_STYLE, unique=unique)


Drawing = Callable[[FleetResult, str], str]

DRAWINGS: Mapping[str, tuple[Drawing, str]] = {
    "gains": (gains_svg, "What homes save, the twentieth at either end apart: below the line the rule does better."),
    "losses": (losses_svg, "How many homes of each family do better under the rule."),
    "costs": (costs_svg, "What a request costs: nine homes in ten, half of them, and the one in the middle."),
    "tails": (tails_svg, "How long the slowest twentieth of a home's requests take."),
}
"""By what keeps their ids apart, with what they show."""
