"""What is fitted to the timings of stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from msgspec.structs import replace

from meshd.core.node import DeviceClass
from policies.errors import TimingsUnusable
from policies.mesh.question import Heard, Question, Run
from policies.mesh.stand_in_timings import fitted, lessons_of
from policies.mesh.timings import Timed
from tests.policies.mesh.meshes import HUB, PHONE
from tests.policies.mesh.meshes import profile as profile_of
from tests.policies.mesh.pictures import PICTURE, SECONDS, hosted, picture

_COLD_S, _BEYOND_S = 0.03, 0.004
PROFILES = [replace(profile_of(name), hosted=(hosted(name),)) for name in (PHONE, HUB)]


def _timed(name: DeviceClass, items: int, *, late_s: float = 0.0) -> Timed:
    compute_s = SECONDS[name] * (1.0 + 0.5 * (items - 1))
    run = Run(node=name, compute_s=compute_s, items=items, codec="raw", score=None)
    question = Question(at_s=0.0, node=name, items=items, model=PICTURE, place=name.value)
    return Timed(
        question=question, heard=Heard(number=0, sent_s=0.0, seconds=compute_s + _BEYOND_S + late_s, runs=(run,))
    )


def _all() -> Iterator[Timed]:
    for name in (PHONE, HUB):
        yield _timed(name, 1, late_s=_COLD_S)
        yield from (_timed(name, items) for items in (1, 1, 4, 4))


def test_what_timings_were_made_of_is_found_again() -> None:
    found = fitted(picture(), list(_all()), PROFILES)
    assert {name: (run.compute_s, run.further_item, run.load_s) for name, run in found.runs.items()} == {
        name: pytest.approx((seconds, 0.5, _COLD_S)) for name, seconds in SECONDS.items()
    }
    assert {name: run.hosted for name, run in found.runs.items()} == {name: hosted(name) for name in (PHONE, HUB)}
    assert (found.input_bytes, found.result_bytes) == (30_000, 600)


def test_of_single_items_alone_a_further_one_is_taken_to_last_as_long_as_the_first() -> None:
    singles = [_timed(name, 1) for name in (PHONE, HUB) for _ in range(3)]
    found = fitted(picture(), singles, PROFILES)
    assert [run.further_item for run in found.runs.values()] == [1.0, 1.0]


def test_a_stand_in_that_did_not_answer_is_named() -> None:
    timed = list(_all())
    timed[-1] = replace(timed[-1], heard=replace(timed[-1].heard, runs=(), code="deadline_exceeded"))
    with pytest.raises(TimingsUnusable, match=r"^The hub gave no answer of its picture: deadline_exceeded\."):
        fitted(picture(), timed, PROFILES)


def test_lessons_come_one_behind_the_end_of_the_other() -> None:
    found = fitted(picture(), list(_all()), PROFILES)
    lessons = list(lessons_of([found], from_s=7.0))
    assert [replace(one, at_s=0.0) for one in lessons] == [one.question for one in found.timed]
    assert lessons[0].at_s > 7.0
    taken_s = [one.heard.seconds for one in found.timed]
    assert all(after.at_s - before.at_s > s for (before, after), s in zip(pairwise(lessons), taken_s, strict=False))
