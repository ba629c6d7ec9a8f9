"""What ranges of stages are believed to take on a node: measured, or as announced at the node's pace."""

from __future__ import annotations

from math import isfinite

import pytest
from msgspec.structs import replace

from meshd.core.spans import StageTimes
from tests.core.builders import PHONE_TIER
from tests.core.parts import cut_tier

FOUR = cut_tier((0.001, 0.002, 0.003, 0.004), (100, 100, 100))


def test_ranges_that_nobody_ran_are_the_sums_of_what_was_announced() -> None:
    spans = StageTimes().spans(FOUR)
    assert spans.seconds[0] == pytest.approx((0.0, 0.001, 0.003, 0.006, 0.010))
    assert spans.seconds[1][3] == pytest.approx(0.005)
    assert spans.work == pytest.approx((0.0, 0.1, 0.3, 0.6, 1.0))


def test_a_whole_that_takes_twice_as_long_makes_every_range_take_so() -> None:
    times = StageTimes()
    for second in range(40):
        times.ran_whole(FOUR, 0.020, float(second))
    assert times.spans(FOUR).seconds[1][3] == pytest.approx(0.010, rel=0.01)


def test_a_range_that_was_run_takes_what_it_took_and_others_follow_the_pace() -> None:
    times = StageTimes()
    for second in range(40):
        times.ran(FOUR, 2, 4, 0.021, float(second))
    assert times.spans(FOUR).seconds[2][4] == pytest.approx(0.021, rel=0.01)
    assert times.spans(FOUR).seconds[0][1] == pytest.approx(0.003, rel=0.01)


def test_what_was_not_measured_is_less_sure() -> None:
    believed = replace(FOUR, stages=tuple(replace(stage, measured=False) for stage in FOUR.stages))
    assert StageTimes().deviation_s(believed, 0, 2, 0.0) > StageTimes().deviation_s(FOUR, 0, 2, 0.0)

    times = StageTimes()
    for second in range(40):
        times.ran(FOUR, 0, 2, 0.003, float(second))
    assert times.deviation_s(FOUR, 0, 2, 39.0) < StageTimes().deviation_s(FOUR, 0, 2, 39.0)


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (2, 2), (3, 1), (0, 5)])
def test_a_range_that_the_variant_has_not_teaches_nothing(first: int, last: int) -> None:
    times = StageTimes()
    before = times.spans(FOUR)
    times.ran(FOUR, first, last, 1.0, 0.0)
    assert times.spans(FOUR) == before


def test_what_is_no_longer_hosted_is_forgotten() -> None:
    times = StageTimes()
    times.ran(FOUR, 0, 2, 1.0, 0.0)
    times.keep(())
    assert times.spans(FOUR) == StageTimes().spans(FOUR)


def test_tiers_of_one_artifact_are_told_apart_and_so_are_other_cuts_of_it() -> None:
    times = StageTimes()
    three, weaker = replace(FOUR, stages=FOUR.stages[:3]), replace(FOUR, tier=PHONE_TIER, stages=FOUR.stages[1:])
    for variant in (three, FOUR, weaker):
        n_stages = len(variant.stages)
        times.ran(variant, 1, n_stages, 1.0, 0.0)
        assert len(times.spans(variant).work) == n_stages + 1


def test_a_stage_announced_to_take_next_to_nothing_leaves_every_figure_finite() -> None:
    times = StageTimes()
    nothing = replace(FOUR, stages=(replace(FOUR.stages[0], compute_s=1e-200), *FOUR.stages[1:]))
    times.ran(nothing, 0, 1, 1e9, 0.0)
    times.ran(nothing, 1, 2, 1e9, 1.0)
    assert isfinite(times.deviation_s(nothing, 2, 4, 2.0))
