"""Plans as they were run: a panel for each model, link speed to the right, time upwards, what was chosen filled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from meshd.cli.view.picture import styled, write
from meshd.errors import SetupError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from meshd.bench.plans import PlanChoice, TimedPlan

_STYLE = {"font.size": 9.5, "axes.spines.right": False, "axes.spines.top": False}
_LEGEND_INCHES = 6.0
"""That the words below the panels take in one line."""
_COLOURS = {"whole here": "#d9a441", "split": "#c8553d", "whole there": "#2f6690"}


def save_picture(choices: Sequence[PlanChoice], file: Path) -> None:
    """Write the picture as SVG or PNG, by the ending of the file's name.

    Raises:
        SetupError: there are no plans, matplotlib is not installed, or the file cannot be written.
    """
    if not choices:
        raise SetupError("no plans were compared, so there is no picture of them.")
    models = list(dict.fromkeys(choice.model for choice in choices))
    with styled(_STYLE):
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra.
        from matplotlib.lines import Line2D  # noqa: PLC0415

        figure = Figure(figsize=(max(2.6 * len(models), _LEGEND_INCHES) + 0.6, 3.6), dpi=160, layout="constrained")
        panels = figure.subplots(1, len(models), squeeze=False)[0]
        for axes, model in zip(panels, models, strict=True):
            _panel(axes, model, [choice for choice in choices if choice.model == model])
        panels[0].set_ylabel("time to an answer, means")
        kinds = [Line2D([], [], marker="o", ls="", color=colour, label=kind) for kind, colour in _COLOURS.items()]
        chosen = Line2D([], [], marker="o", ls="", ms=11, mfc="none", mec="#22303c", label="chosen by the scheduler")
        figure.legend(handles=[*kinds, chosen], loc="outside lower center", ncols=4, frameon=False)
        write(figure, file)


def _panel(axes: Axes, model: str, choices: Sequence[PlanChoice]) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: PLC0415

    axes.set_title(model, loc="left", fontweight="bold", fontsize=11)
    axes.set(xscale="log", yscale="log", xlabel="Mbit/s")
    for choice in choices:
        at = choice.bandwidth_bps / 1e6
        for plan in choice.plans:
            axes.plot(at, plan.seconds, "o", ms=5.5, color=_COLOURS[_kind(plan, choice)], alpha=0.75, mec="none")
        axes.plot(at, choice.chosen_s, "o", ms=11, mfc="none", mec="#22303c", mew=1.3)
    axes.set_xticks([choice.bandwidth_bps / 1e6 for choice in choices])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds * 1e3:g} ms"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda seconds, _: _minor(seconds)))
    axes.grid(axis="y", color="#e3e8ec", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.12, y=0.12)


def _minor(seconds: float) -> str:
    """Name the twos and fives between powers of ten."""
    digits = f"{seconds * 1e3:e}"
    return f"{seconds * 1e3:g} ms" if digits[0] in "25" and digits[2:8] == "000000" else ""


def _kind(plan: TimedPlan, choice: PlanChoice) -> str:
    if not plan.whole:
        return "split"
    return "whole here" if plan.place == choice.asked else "whole there"
