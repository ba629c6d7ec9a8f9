"""What the pages of studies draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from meshd.policy.guard import Why
from model_registry.convert.report.drawing import ACCENT, INK, LINE, QUIET, drawn
from policies.page import Plot
from policies.study.ablations import HIDDEN, WHOLE, Ablations
from policies.study.energy import Energy, Point, Scores
from policies.study.findings import Findings
from policies.study.freshness import Freshness
from policies.study.learning import REINFORCED, Learning
from policies.study.runs import Estimate

_WIDTH_IN, _ROW_IN, _FRAME_IN = 4.2, 0.24, 0.7
"""About a phone's width, so that text keeps its size there."""
_STYLE = {"font.size": 9, "ytick.labelcolor": INK}
_COLOURS = (ACCENT, INK, QUIET)
"""Of the policy and of the rules beside it."""
_MARKS = ("o", "s", "^")
_BESIDE: tuple[Mapping[str, Any], ...] = (
    {"xytext": (3, 3)},
    {"xytext": (3, -3), "va": "top"},
    {"xytext": (-3, 3), "ha": "right"},
)
"""Where the labels of each are, so that two may lie on one another and be read."""
_MOST_TICKS = 4
_LEAST_SPAN = 0.02
_ASIDE = 0.04
"""By which what has as many labels as another is drawn beside it, as a share of them."""
_OFTEN = 0.1
"""Of decisions: a point at which the guard stands in that often is no longer the policy's."""


def plots(study: Findings) -> list[Plot]:
    """Return the drawings of a study."""
    match study:
        case Energy():
            return _energy_plots(study)
        case Freshness():
            return _freshness_plots(study)
        case Ablations():
            return _ablations_plots(study)
        case Learning():
            return _learning_plots(study)
        case _:
            raise TypeError(f"{study.title}: no drawing is known of it.")


def _energy_plots(study: Energy) -> list[Plot]:
    families = [
        Plot(svg=_curves_svg(scores, f"curves-{name}"), caption=f"{name.capitalize().replace('_', ' ')}.")
        for name, scores in study.families.items()
    ]
    return [Plot(svg=_curves_svg(study.overall, "curves"), caption=_CURVES_CAPTION), *families]


_CURVES_CAPTION = (
    "All families. Left and low is good; numbers tell what a joule weighs. Where a mark is hollow, the guard handed"
    f" more than {_OFTEN:.0%} of decisions to the rule as unlike training."
)


def _curves_svg(scores: Scores, unique: str) -> str:
    """Return a drawing of misses against joules, one curve for each policy."""

    def draw(axes: Axes) -> None:
        for place, (name, points) in enumerate(scores.curves.items()):
            _draw_curve(axes, name, points, place)
        axes.margins(x=0.1, y=0.12)
        _spread_out(axes)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.locator_params(axis="x", nbins=_MOST_TICKS)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(visible=True, color=LINE, linewidth=0.5)
        axes.legend(frameon=False, fontsize=8)
        axes.set_xlabel("joules of nodes with a battery; the rule's at 1 are 100 %")
        axes.set_ylabel("deadlines missed")

    return drawn(draw, size_in=(_WIDTH_IN, 3.2), style=_STYLE, unique=unique)


def _spread_out(axes: Axes) -> None:
    """Let no less than two points of misses be seen, so that one request more does not look like much."""
    low, high = axes.get_ylim()
    missing = max(0.0, _LEAST_SPAN - (high - low)) / 2.0
    axes.set_ylim(low - missing, high + missing)


def _draw_curve(axes: Axes, name: str, points: list[Point], place: int) -> None:
    colour, mark, beside = _COLOURS[place], _MARKS[place], _BESIDE[place]
    across, up = [point.joules.value for point in points], [point.misses.value for point in points]
    axes.plot(across, up, "-", marker=mark, color=colour, linewidth=1, markersize=4, label=name)
    for x, y, point in zip(across, up, points, strict=True):
        if point.fallbacks.get(Why.UNLIKE, 0.0) > _OFTEN:
            axes.plot(x, y, mark, color="white", markeredgecolor=colour, markersize=4)
        axes.annotate(f"{point.weight:g}", (x, y), textcoords="offset points", fontsize=7, color=colour, **beside)


def _freshness_plots(study: Freshness) -> list[Plot]:
    families = {"all families": study.overall} | study.families
    rows = {
        family.replace("_", " "): {name: one.gain.share for name, one in by.items()} for family, by in families.items()
    }
    caption = "What fresher knowledge saves of a request's cost, with intervals of 95 %; right of the line it helps."
    return [Plot(svg=_rows_svg(rows, "saved of what a request costs", "fresher"), caption=caption)]


def _ablations_plots(study: Ablations) -> list[Plot]:
    gains = {name: {study.policy: one.gain.share} for name, one in study.arms.items() if name != WHOLE}
    hidden = {name.removeprefix("hidden: "): gains[name] for name in HIDDEN}
    others = {name: gain for name, gain in gains.items() if name not in HIDDEN}
    ranked = dict(sorted(hidden.items(), key=lambda entry: entry[1][study.policy].value))
    across = "gained, of a request's cost"
    return [
        Plot(svg=_rows_svg(others, across, "others"), caption="The guard, fewer ways, and the rules in its place."),
        Plot(
            svg=_rows_svg(ranked, across, "hidden"),
            caption="Features that are hidden, those that are missed most first.",
        ),
    ]


def _learning_plots(study: Learning) -> list[Plot]:
    caption = "What each network saves of a request's cost under the rule, with intervals of 95 %, by the labels it has"
    reinforced = " learned from; hollow: what reinforcement made of the last."
    return [Plot(svg=_learning_svg(study, "learning"), caption=f"{caption}{reinforced}")]


def _learning_svg(study: Learning, unique: str) -> str:
    rounds = {name: step for name, step in study.steps.items() if name != REINFORCED}

    def draw(axes: Axes) -> None:
        axes.axhline(0.0, color=QUIET, linewidth=0.8)
        across = [0, *(step.labels for step in rounds.values())]
        axes.plot(across, [0.0, *(step.gain.share.value for step in rounds.values())], "-", color=ACCENT, linewidth=1)
        for name, step in study.steps.items():
            share, is_reinforced = step.gain.share, name == REINFORCED
            x = step.labels * (1.0 + _ASIDE * is_reinforced)
            axes.plot(
                [x, x], np.array([share.low, share.high], np.float64), color=ACCENT, linewidth=1
            )  # None: no line.
            axes.plot(x, share.value, "o", color="white" if is_reinforced else ACCENT, mec=ACCENT, markersize=5)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.locator_params(axis="x", nbins=_MOST_TICKS)
        axes.grid(visible=True, color=LINE, linewidth=0.5)
        axes.set_xlabel("labels that it has learned from")
        axes.set_ylabel("saved of the rule's cost")

    return drawn(draw, size_in=(_WIDTH_IN, 2.6), style=_STYLE, unique=unique)


def _rows_svg(rows: Mapping[str, Mapping[str, Estimate]], across: str, unique: str) -> str:
    """Return a drawing of shares with their intervals, one row for each name, in it one mark for each series."""

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=QUIET, linewidth=0.8)
        for row, series in enumerate(rows.values()):
            for place, (name, one) in enumerate(series.items()):
                height, colour = row + 0.2 * (place - (len(series) - 1) / 2.0), _COLOURS[place]
                bounds = np.array([one.low, one.high], np.float64)  # None: no line.
                axes.plot(bounds, [height, height], color=colour, linewidth=1)
                label = name if not row and len(series) > 1 else None
                axes.plot(one.value, height, _MARKS[place], color=colour, markersize=4, linestyle="", label=label)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.spines.left.set_visible(False)
        axes.grid(visible=True, axis="x", color=LINE, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
        axes.locator_params(axis="x", nbins=_MOST_TICKS)
        axes.set_xlabel(across)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(_MARKS), frameon=False, fontsize=8)

    n_series = max(len(series) for series in rows.values())
    height_in = _FRAME_IN + 0.3 + _ROW_IN * len(rows) * (1.0 + 0.4 * (n_series - 1))
    return drawn(draw, size_in=(_WIDTH_IN, height_in), style=_STYLE, unique=unique)
