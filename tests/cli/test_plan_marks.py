"""Peers that are alike stand close together on the map, and each of their names can be read."""

from itertools import combinations

import pytest

pytest.importorskip("matplotlib", reason="the extra convert is not installed")

from matplotlib.figure import Figure

from meshd.cli.view.plan_marks import set_marks
from meshd.core.plan_map import Mark


def test_names_of_peers_that_are_close_together_do_not_cover_each_other() -> None:
    axes = Figure(figsize=(8.6, 5.2), dpi=160, layout="constrained").add_subplot()
    axes.set(xscale="log", yscale="log", xlim=(1e5, 1e9), ylim=(1.0, 100.0))
    marks = [Mark(name=f"kitchen-{k}", rate_bps=2e7 * 1.5**k, ratio=10.0) for k in range(4)]
    names = set_marks(axes, marks)
    assert [name.get_text() for name in names] == [mark.name for mark in marks]
    boxes = [name.get_window_extent() for name in names]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
