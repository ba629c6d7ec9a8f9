"""What the page of an evaluation draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from model_registry.convert.report.drawing import ACCENT, INK, LINE, QUIET, drawn
from policies.baselines import DEFAULT
from policies.evaluation.result import Result, Scores
from policies.evaluation.summary import Figures
from policies.evaluation.worlds import PLANNER, RELAXATION

_ROW_IN, _FRAME_IN = 0.24, 0.7
_WIDTH_IN = 4.2
"""About a phone's width, so that text keeps its size there."""
FAR_OUT = "random"
"""Left out where all others would be one dot beside it."""
_STYLE = {"font.size": 9, "ytick.labelcolor": INK}


def rewards_svg(scores: Scores, ours: str, unique: str) -> str:
    """Return a drawing of what a request costs under each policy, with its interval; the cheapest on top."""
    ranked = sorted(((name, one) for name, one in scores.everywhere.items() if name != RELAXATION), key=_cost)

    def draw(axes: Axes) -> None:
        for row, (name, one) in enumerate(ranked):
            colour = ACCENT if name == ours else INK
            axes.plot([-bound for bound in one.ci95 or (one.reward, one.reward)], [row, row], color=colour, linewidth=1)
            axes.plot(-one.reward, row, "o", color=colour if name != PLANNER else "none", markeredgecolor=colour)
        _name_rows(axes, [name for name, _ in ranked])
        axes.set_xlabel("cost of a request, joules: less is better")
        axes.set_xlim(left=0.0)

    return _drawn(draw, height_in=_FRAME_IN + _ROW_IN * len(ranked), unique=unique)


def gains_svg(result: Result, unique: str) -> str:
    """Return a drawing of the paired differences to each baseline, with their intervals."""
    ranked = sorted(result.paired.items(), key=lambda entry: entry[1].difference)

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=QUIET, linewidth=0.8)
        for row, (_, one) in enumerate(ranked):
            bounds = np.array([one.low, one.high], np.float64)  # None: no line.
            axes.plot(bounds, [row, row], color=ACCENT, linewidth=1)
            axes.plot(one.difference, row, "o", color=ACCENT)
        _name_rows(axes, [name for name, _ in ranked])
        axes.set_xlabel("joules gained a request")

    return _drawn(draw, height_in=_FRAME_IN + _ROW_IN * max(2, len(ranked)), unique=unique)


def misses_svg(scores: Scores, ours: str, unique: str) -> str:
    """Return a drawing of missed deadlines against joules: left and below is better."""
    played = {name: one for name, one in scores.everywhere.items() if one.joules and name != FAR_OUT}

    def draw(axes: Axes) -> None:
        for name, one in played.items():
            colour = ACCENT if name == ours else INK
            axes.plot(_joules(one), one.deadline_miss, "o", color=colour if name != PLANNER else "none", mec=colour)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(visible=True, color=LINE, linewidth=0.5)
        axes.margins(x=0.1, y=0.15)
        left, right = axes.get_xlim()
        axes.set_xlim(right=right + _ROOM * (right - left))
        for name, height in _spread({name: one.deadline_miss for name, one in played.items()}, axes):
            axes.annotate(
                name,
                (_joules(played[name]), played[name].deadline_miss),
                xytext=(right + 0.05 * (right - left), height),
                textcoords="data",
                va="center",
                fontsize=8,
                arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.5, "relpos": (0.0, 0.5)},
            )
        axes.set_xlabel("joules of all nodes for a world's requests")
        axes.set_ylabel("deadlines missed")

    return _drawn(draw, height_in=3.2, unique=unique)


def families_svg(result: Result, unique: str) -> str:
    """Return a drawing of what each family costs under the policy, the best baseline there, and the planner.

    Each as a share of what it costs under the rule that a daemon begins with.
    """
    names = sorted(result.families, reverse=True)

    def draw(axes: Axes) -> None:
        axes.axvline(1.0, color=QUIET, linewidth=0.8)
        for row, family in enumerate(names):
            marks = shares(result.families[family].policies, result)
            axes.plot([min(marks.values()), max([1.0, *marks.values()])], [row, row], color=LINE, linewidth=1)
            for kind, share in marks.items():
                axes.plot(share, row, **_MARKS[kind], label=kind if not row else None)
        _name_rows(axes, names, best_on_top=False)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize=8)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(f"cost as a share of {DEFAULT}")

    return _drawn(draw, height_in=_FRAME_IN + 0.3 + 0.3 * len(names), unique=unique)


def shares(policies: Mapping[str, Figures], result: Result) -> dict[str, float]:
    """Return the costs of the policy, of the best baseline of a family and of the planner, as shares of the rule's.

    The planner is there where it played every world.
    """
    rule = policies[DEFAULT]
    baselines = [policies[name].reward for name in result.paired]
    found = {"policy": policies[result.policy].reward, "best baseline": max(baselines)}
    if PLANNER in policies and policies[PLANNER].n_worlds == rule.n_worlds:
        found["planner"] = policies[PLANNER].reward
    return {kind: reward / rule.reward for kind, reward in found.items()}


def _spread(heights: Mapping[str, float], axes: Axes) -> list[tuple[str, float]]:
    """Return where labels stand at the right: at their heights, but one above the other."""
    low, high = axes.get_ylim()
    step, placed, next_free = (high - low) / _LABELS, list[tuple[str, float]](), low + (high - low) / _LABELS / 2
    for name, height in sorted(heights.items(), key=lambda entry: entry[1]):
        placed.append((name, max(height, next_free)))
        next_free = placed[-1][1] + step
    return placed


_LABELS = 15
"""Lines of text that the drawing has room for."""
_ROOM = 0.7
"""For labels beside the points, as a share of their width."""

_MARKS: Mapping[str, Mapping[str, Any]] = {
    "policy": {"marker": "o", "color": ACCENT, "linestyle": ""},
    "best baseline": {"marker": "|", "color": INK, "linestyle": ""},
    "planner": {"marker": "o", "color": "none", "markeredgecolor": QUIET, "linestyle": ""},
}


def _name_rows(axes: Axes, names: Sequence[str], *, best_on_top: bool = True) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.spines.left.set_visible(False)
    axes.grid(visible=True, axis="x", color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_ylim(-0.6, len(names) - 0.4)
    if best_on_top:
        axes.invert_yaxis()


def _cost(entry: tuple[str, Figures]) -> float:
    return -entry[1].reward


def _joules(one: Figures) -> float:
    return sum(one.joules.values())


def _drawn(draw: Callable[[Axes], None], *, height_in: float, unique: str) -> str:
    return drawn(draw, size_in=(_WIDTH_IN, height_in), style=_STYLE, unique=unique)
