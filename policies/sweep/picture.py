"""A sweep as a picture: what each point is worth, and how its trainings went."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from policies.sweep.result import SweepResult
from policies.sweep.trial import Trial

_WIDTH_IN, _ROW_IN, _FRAME_IN, _LEAST_IN = 10.0, 0.3, 1.0, 3.6


def draw_picture(result: SweepResult, trials: Sequence[Trial], path: Path) -> None:
    """Write it; its form is what the path's ending says."""
    figure = Figure(figsize=(_WIDTH_IN, max(_LEAST_IN, _FRAME_IN + _ROW_IN * len(result.points))), layout="constrained")
    rewards, curves = figure.subplots(1, 2)
    _draw_rewards(result, rewards)
    _draw_curves(result, trials, curves)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_rewards(result: SweepResult, axes: Axes) -> None:
    for row, point in enumerate(result.points):
        colour = f"C{row % 10}"
        axes.plot(list(point.rewards.values()), [row] * len(point.rewards), "|", color=colour)
        axes.plot(point.ci95 or (point.reward, point.reward), [row, row], color=colour, linewidth=1)
        axes.plot(point.reward, row, "o", color=colour)
    axes.axvline(result.points[0].rule, color="0.6", linewidth=0.8)
    axes.set_yticks(range(len(result.points)), [point.name for point in result.points])
    axes.invert_yaxis()
    axes.set_xlabel("reward of a request on validation worlds; the line is the rule's")


def _draw_curves(result: SweepResult, trials: Sequence[Trial], axes: Axes) -> None:
    rows = {point.name: row for row, point in enumerate(result.points)}
    for trial in trials:
        curve = [json.loads(line) for line in (trial.folder / "curve.jsonl").read_text(encoding="utf-8").splitlines()]
        colour = f"C{rows[trial.point] % 10}"
        axes.plot([line["decisions"] for line in curve], [line["gain"] for line in curve], color=colour, linewidth=1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("decisions learned from")
    axes.set_ylabel("saved against the rule")
