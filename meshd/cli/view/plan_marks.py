"""Marks on the map of plans: a star for each peer that there is, with its name beside it, where no other name is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from meshd.core.plan_map import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import BboxBase

_HEIGHTS_PT = (11, -20, 27, -36, 43, -52, 59, -68)
"""Above or below the star, in points: the first that is free; a name takes 15."""


def set_marks(axes: Axes, marks: Sequence[Mark]) -> list[Annotation]:
    """Draw a star and a name for each mark, on axes with their final limits, and return the names."""
    names = [_set_mark(axes, mark) for mark in marks]
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes are drawn on a figure"
    figure.draw_without_rendering()  # Only now it is known how much room each name takes.
    taken: list[BboxBase] = []
    for name in names:
        taken.append(_moved(name, taken))
    return names


def _moved(name: Annotation, taken: Sequence[BboxBase]) -> BboxBase:
    """Move a name to the first height where it covers no other, and return where it is."""
    for height_pt in _HEIGHTS_PT:
        name.xyann = (0, height_pt)
        box = name.get_window_extent()
        if not any(box.overlaps(other) for other in taken):
            return box
    return name.get_window_extent()


def _set_mark(axes: Axes, mark: Mark) -> Annotation:
    rate_bps, ratio = np.clip(mark.rate_bps, *axes.get_xlim()), np.clip(mark.ratio, *axes.get_ylim())
    at = float(rate_bps), float(ratio)
    axes.plot(*at, marker="*", markersize=17, color="#ffd23f", markeredgecolor="#22303c", clip_on=False, zorder=5)
    return axes.annotate(
        mark.name,
        at,
        xytext=(0, _HEIGHTS_PT[0]),
        textcoords="offset points",
        ha="center",
        fontsize=9.5,
        fontweight="bold",
        zorder=6,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )
