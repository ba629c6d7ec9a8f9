"""The calibration load."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from meshd.core.request import Privacy
from policies.mesh.question import HOUSEHOLD
from policies.mesh.timings import LENGTHS, rows_of
from tests.policies.mesh.meshes import mesh, timings


def test_what_daemons_were_asked_is_asked_again_in_its_order_one_question_after_the_other() -> None:
    timed = timings(mesh(), repeats=1)
    lessons = timed.lessons
    judging = lessons[: 3 * 40]
    assert [(one.node, one.window) for one in judging] == [(name, window) for name in HOUSEHOLD for window in range(40)]
    assert {one.privacy for one in judging} == {Privacy.DEVICE}
    assert len(lessons) == len(judging) + 9 * len(LENGTHS) + sum(map(len, timed.bursts))
    assert all(before.at_s < after.at_s for before, after in pairwise(lessons))


def test_rows_of_windows_are_calm_where_there_are_such_and_never_reach_beyond_the_last() -> None:
    assert rows_of([0, 1, 2, 4, 5], 2) == [0, 1, 4]
    assert rows_of([0, 1, 2, 4, 5], 4) == [0, 1, 2]
    chance = Random(0)
    for items in LENGTHS:
        calm = sorted(chance.sample(range(40), 20))
        assert all(row + items <= 40 for row in rows_of(calm, items))
