from __future__ import annotations

import numpy as np
import pytest

from policies.study.curve import Curve


def curve(*points: tuple[float, float]) -> Curve:
    """One draw."""
    joules, misses = np.array(points).T
    return Curve(joules=joules[:, None], misses=misses[:, None])


@pytest.mark.parametrize(
    ("joules", "misses"), [(1.0, 0.3), (1.5, 0.25), (2.0, 0.2), (4.0, 0.1), (9.0, 0.1), (0.9, np.nan)]
)
def test_misses_at_some_joules_lie_between_those_of_the_points_beside_them(joules: float, misses: float) -> None:
    ours = curve((4.0, 0.1), (2.0, 0.2), (1.0, 0.3))
    assert ours.misses_at(np.array([joules])) == pytest.approx([misses], nan_ok=True)


def test_whoever_needs_less_for_fewer_misses_needs_no_more_for_more() -> None:
    bent = curve((1.0, 0.2), (2.0, 0.4), (3.0, 0.1))
    assert bent.misses_at(np.array([2.0])) == pytest.approx([0.2])
    assert bent.joules_at(np.array([0.4])) == pytest.approx([1.0])
    assert bent.joules_at(np.array([0.15])) == pytest.approx([2.0])
    assert np.isnan(bent.joules_at(np.array([0.05]))).all()


def test_each_draw_has_a_curve_of_its_own() -> None:
    joules, misses = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.2, 0.4], [0.1, 0.2]])
    assert Curve(joules=joules, misses=misses).misses_at(np.array([2.0, 3.0])) == pytest.approx([0.15, 0.3])
