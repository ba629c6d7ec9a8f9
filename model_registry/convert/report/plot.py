"""Accuracy against size or latency as a drawing inside a page: text stays text, colours are the page's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from msgspec import Struct

from model_registry.advice.recommendation import pareto_front
from model_registry.convert.report.drawing import ACCENT, LINE, QUIET, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE = {"font.size": 10, "ytick.labelcolor": QUIET}
_SIZE_IN = 3.8, 2.9
"""A phone's width, so that text keeps its size there: 3.8 in at 72 points are 274 units, and a phone shows 300."""
_LABEL_PT = 12.0
"""Distance from one label to the next below, at least."""
_LETTER_PT = 5.4
"""Width of a letter, on average."""


class Point(Struct, frozen=True, kw_only=True):
    """One variant in the drawing."""

    name: str
    cost: float
    """In the unit of the axis, above 0."""
    accuracy: float
    """Of the metric, 0..1."""


def pareto_svg(points: Sequence[Point], *, cost: str, metric: str, unique: str) -> str:
    """Return an `svg` element of accuracy against `cost`, both named as the axes are to be labelled.

    What nothing beats is filled and joined by a line. `unique` keeps the element's ids apart from those of others.
    """

    def draw(axes: Axes) -> None:
        _lay_out(axes, points, cost, metric)
        _draw(axes, points)
        assert isinstance(axes.figure, Figure), "these axes have a figure of their own"
        axes.figure.draw_without_rendering()
        _label(axes, points)

    return drawn(draw, size_in=_SIZE_IN, style=_STYLE, unique=unique)


def _lay_out(axes: Axes, points: Sequence[Point], cost: str, metric: str) -> None:
    axes.set_xscale("log")
    costs = [point.cost for point in points]
    axes.set_xlim(min(costs) / 1.6, max(costs) * 3.6)  # Room for the labels at the right.
    axes.set_xticks(_round_steps(*axes.get_xlim()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(y=0.16)
    axes.grid(visible=True, axis="y", color=LINE, linewidth=0.5)
    axes.set_xlabel(cost)
    axes.set_ylabel(f"{metric}, %")


def _round_steps(low: float, high: float) -> list[float]:
    """Return the marks of the axis: 1, 2 and 5 times powers of ten, so that even a narrow one has some."""
    factors = (1, 2, 5) if high / low < 300 else (1,)
    return [factor * 10.0**power for power in range(-6, 9) for factor in factors if low <= factor * 10.0**power <= high]


def _draw(axes: Axes, points: Sequence[Point]) -> None:
    front = pareto_front({point.name: (point.cost, point.accuracy) for point in points})
    best = sorted((point for point in points if point.name in front), key=lambda point: point.cost)
    rest = [point for point in points if point.name not in front]
    axes.plot(*_coordinates(best), color=ACCENT, linewidth=1, marker="o", markersize=6)
    axes.plot(*_coordinates(rest), linestyle="", marker="o", markersize=6, markeredgecolor=QUIET, color="none")


def _coordinates(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.cost for point in points], [point.accuracy * 100 for point in points]


def _label(axes: Axes, points: Sequence[Point]) -> None:
    """Write each name below and to the right of its point, away from the line, and further down where one stands."""
    scale = axes.figure.dpi / 72
    labels: list[_Label] = []
    for point in sorted(points, key=lambda point: -point.accuracy):
        x, y = axes.transData.transform((point.cost, point.accuracy * 100)) / scale
        label = _Label(left=x + 5, right=x + 5 + len(point.name) * _LETTER_PT, height=y - _LABEL_PT * 0.7)
        label = _moved_down(label, labels)
        labels.append(label)
        axes.annotate(
            point.name,
            (point.cost, point.accuracy * 100),
            xytext=(5, label.height - y),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )


class _Label(NamedTuple):
    left: float
    right: float
    height: float

    def covers(self, other: _Label) -> bool:
        beside = self.right < other.left or other.right < self.left
        return not beside and abs(self.height - other.height) < _LABEL_PT


def _moved_down(label: _Label, others: Sequence[_Label]) -> _Label:
    for other in sorted(others, key=lambda other: -other.height):
        if label.covers(other):
            label = label._replace(height=other.height - _LABEL_PT)
    return label
