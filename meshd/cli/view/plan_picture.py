"""The map of plans as a picture: link speed to the right, how much faster the other device is upwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from meshd.cli.view.picture import styled, write
from meshd.cli.view.plan_marks import set_marks
from meshd.core.plan import RAW
from meshd.core.plan_map import Kind, Mark, PlanMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch
    from numpy.typing import NDArray

_STYLE = {"font.size": 10.5}
_HERE, _SHARED = "#f4e3c1", "#cfe3b4"
_SPLITS = ("#f2a65a", "#e07a5f", "#c8553d", "#a23b55", "#7b2d5b", "#55275a")
"""From the longest head to the shortest."""
_THERE = ("#2f6690", "#5b9bc8", "#9ccbe3", "#3a9d8f", "#7cc9b4")
"""Raw first, then one for each codec."""
_GAINS = (2.0, 5.0, 10.0, 20.0, 50.0)
"""Times sooner than the whole here: lines of equal gain."""
_LEAST_SHARE = 0.04
"""Of the map's area: smaller regions are named in the legend only."""
_MARK_WIDE, _MARK_HIGH = 0.12, 0.09
"""Of the map, to each side of a mark: what its name takes, and half of another name beside it."""
_SLENDER = 0.17
"""Of the map's width: a name of this length does not fit across."""
_TALL = 0.3
"""Of the map's height: what a name takes upwards, with room at both ends."""
_DARK = 420
"""Sum of the three channels below which white letters read better than dark ones."""


def save_picture(plans: PlanMap, file: Path, *, title: str, subtitle: str, marks: Sequence[Mark] = ()) -> None:
    """Write the map as SVG or PNG, by the ending of the file's name.

    Raises:
        SetupError: matplotlib is not installed, or the file cannot be written.
    """
    with styled(_STYLE, what="drawing the map", without=". Without --map nothing of it is needed."):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8.6, 5.2), dpi=160, layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, plans, marks)
        axes.set_title(title, loc="left", fontsize=14, fontweight="bold", pad=26)
        axes.text(0.0, 1.025, subtitle, transform=axes.transAxes, fontsize=9.5, color="#66757f")
        write(figure, file)


def _draw(axes: Axes, plans: PlanMap, marks: Sequence[Mark]) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch as Swatch

    kinds = plans.kinds
    colours = _colours(kinds)
    numbers = np.array([[kinds.index(point.kind) for point in row] for row in plans.rows])
    rates, ratios = np.array(plans.rates_bps), np.array(plans.ratios)
    axes.set(xscale="log", yscale="log", xlabel="link speed", ylabel="how many times faster the other device is")
    axes.pcolormesh(
        *(rates, ratios, numbers),
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(kinds) - 0.5,
        shading="nearest",
        rasterized=True,
    )
    axes.set_xlim(rates[0], rates[-1])
    axes.set_ylim(ratios[0], ratios[-1])
    _borders(axes, rates, ratios, numbers)
    has_gains = _gains(axes, plans)
    covered = _covered(marks, rates, ratios)
    for number, kind in enumerate(kinds):
        _name_region(axes, plans, (numbers == number) & ~covered, kind.label, colours[number])
    _scales(axes)
    _name_kinds(
        axes, [Swatch(facecolor=c, edgecolor="#93a1ad", label=k.label) for k, c in zip(kinds, colours, strict=True)]
    )
    _explain(axes, has_splits=any(kind.head for kind in kinds), has_gains=has_gains)
    set_marks(axes, marks)


def _name_kinds(axes: Axes, patches: Sequence[Patch]) -> None:
    legend = axes.legend(
        handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, title="What is chosen"
    )
    legend.get_title().set_fontweight("bold")
    legend.set_alignment("left")


def _explain(axes: Axes, *, has_splits: bool, has_gains: bool) -> None:
    """Say what is drawn, and nothing of what is not."""
    told = ["split at k: the first k stages\nhere, the others there"] if has_splits else []
    told += ["dashed: how many times sooner\nthan whole here"] if has_gains else []
    axes.text(
        1.03,
        0.0,
        "\n\n".join(told),
        transform=axes.transAxes,
        fontsize=8.5,
        color="#66757f",
        va="bottom",
        linespacing=1.4,
    )


def _colours(kinds: Sequence[Kind]) -> list[str]:
    heads = sorted({kind.head for kind in kinds if kind.head}, reverse=True)
    splits = [_SPLITS[i * (len(_SPLITS) - 1) // max(1, len(heads) - 1)] for i in range(len(heads))]
    codecs = sorted({kind.codec for kind in kinds if kind.head == 0}, key=lambda codec: (codec != RAW, codec))

    def colour(kind: Kind) -> str:
        if kind.shared:
            return _SHARED
        if kind.head is None:
            return _HERE
        if kind.head == 0:
            return _THERE[codecs.index(kind.codec) % len(_THERE)]
        return _tinted(splits[heads.index(kind.head)], 0.0 if kind.codec == RAW else 0.35)

    return [colour(kind) for kind in kinds]


def _tinted(colour: str, white: float) -> str:
    return "#" + "".join(f"{round(channel + (255 - channel) * white):02x}" for channel in _channels(colour))


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _borders(axes: Axes, rates: NDArray[np.float64], ratios: NDArray[np.float64], numbers: NDArray[np.int64]) -> None:
    """Draw a thin line wherever one region ends."""
    for number in range(1, int(numbers.max()) + 1):
        region = (numbers == number).astype(float)
        axes.contour(rates, ratios, region, levels=[0.5], colors="white", linewidths=1.2)


def _gains(axes: Axes, plans: PlanMap) -> bool:
    """Draw how many times sooner than the whole here; tell whether there was anything to draw."""
    gains = np.array([[point.here_s / point.seconds for point in row] for row in plans.rows])
    levels = [gain for gain in _GAINS if gains.min() < gain < gains.max()]
    if levels:
        lines = axes.contour(
            *(plans.rates_bps, plans.ratios, gains),
            levels=levels,
            colors="white",
            linewidths=0.9,
            linestyles="dashed",
            alpha=0.85,
        )
        axes.clabel(lines, fmt=lambda gain: f"{gain:g}×", fontsize=8.5, colors="white")  # noqa: RUF001
    return bool(levels)


def _name_region(axes: Axes, plans: PlanMap, region: NDArray[np.bool_], label: str, colour: str) -> None:
    """Write a region's name where it is thickest, upright where it is slender."""
    if region.mean() < _LEAST_SHARE:
        return
    row, column = _thickest(region)
    slender = region[row].mean() < _SLENDER
    if slender and region[:, column].mean() < _TALL:
        return
    axes.text(
        *(plans.rates_bps[column], plans.ratios[row], label if slender else label.replace(", ", "\n")),
        color="white" if sum(_channels(colour)) < _DARK else "#22303c",
        ha="center",
        va="center",
        rotation=90 if slender else 0,
        fontsize=10.5,
        fontweight="bold",
    )


def _covered(marks: Sequence[Mark], rates: NDArray[np.float64], ratios: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where marks and their names lie, so that nothing else is written there."""
    across, upwards = (np.linspace(0.0, 1.0, len(scale)) for scale in (rates, ratios))
    covered = np.zeros((len(ratios), len(rates)), bool)
    for mark in marks:
        at = np.interp(np.log(mark.rate_bps), np.log(rates), across)
        up = np.interp(np.log(mark.ratio), np.log(ratios), upwards)
        columns, rows = abs(across - at) < _MARK_WIDE, abs(upwards - up - _MARK_HIGH / 3) < _MARK_HIGH
        covered |= rows[:, None] & columns
    return covered


def _thickest(region: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the middle of what is left of a region after its rim was taken off as often as anything is left."""
    left = region
    while True:
        padded = np.pad(left, 1)
        inner = left & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        if not inner.any():
            rows, columns = np.nonzero(left)
            nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
            return int(rows[nearest]), int(columns[nearest])
        left = inner


def _scales(axes: Axes) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda bps, _: _speed(bps)))
    axes.yaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}×"))  # noqa: RUF001
    axes.yaxis.set_minor_formatter(NullFormatter())
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _speed(bps: float) -> str:
    for unit, scale in (("Gbit/s", 1e9), ("Mbit/s", 1e6)):
        if bps >= scale:
            return f"{bps / scale:g} {unit}"
    return f"{bps / 1e3:g} kbit/s"
