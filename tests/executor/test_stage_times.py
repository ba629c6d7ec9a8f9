from math import inf

import pytest

from meshd.executor.stage_times import StageTimes, Timing
from tests.executor.cuttable import cuttable_manifest, cuttable_model


def seconds(times: StageTimes, whole_s: float = 1.0) -> list[float]:
    return [timing.seconds for timing in times.timings(whole_s)]


def test_a_stage_not_measured_takes_the_manifests_share_of_the_whole() -> None:
    split = cuttable_manifest(cuttable_model()).tiers[0].variants[0].split
    assert split is not None
    shares = [Timing(seconds=s, measured=False) for s in (0.5, 1.0, 0.5)]
    assert StageTimes.of(split).timings(2.0) == tuple(shares)


def test_a_measured_stage_takes_what_was_measured() -> None:
    times = StageTimes([0.5, 0.5])
    times.adopt(1, 0.125)
    assert times.timings(2.0) == (Timing(seconds=1.0, measured=False), Timing(seconds=0.125, measured=True))
    assert times.range_s(0, 2, 2.0) == 1.125


def test_a_run_of_several_stages_teaches_each_its_usual_part_of_it() -> None:
    times = StageTimes([0.2, 0.2, 0.6])
    times.learn(0, 2, item_s=1.0, whole_s=1.0, now_s=0.0)
    times.adopt(2, 3.0)
    for _ in range(40):
        times.learn(1, 3, item_s=7.0, whole_s=1.0, now_s=0.0)
    assert seconds(times) == pytest.approx([0.5, 1.0, 6.0])


def test_runs_teach_even_while_the_whole_was_never_measured() -> None:
    times = StageTimes([0.25, 0.75])
    times.learn(0, 2, item_s=4.0, whole_s=inf, now_s=0.0)
    assert seconds(times, inf) == pytest.approx([1.0, 3.0])


def test_a_stage_that_the_manifest_gives_no_time_divides_nothing_by_zero() -> None:
    times = StageTimes([0.0, 0.0])
    times.learn(0, 2, item_s=4.0, whole_s=1.0, now_s=0.0)
    assert sum(seconds(times)) == pytest.approx(4.0)


def test_runs_of_a_busy_hour_are_forgotten_by_the_first_run_after_it_and_what_was_calibrated_stays() -> None:
    times = StageTimes([0.5, 0.5])
    times.adopt(0, 1.0)
    times.adopt(1, 1.0)
    for second in range(60):
        times.learn(0, 2, item_s=20.0, whole_s=2.0, now_s=float(second))
    assert seconds(times) == pytest.approx([10.0, 10.0])
    times.learn(0, 2, item_s=2.2, whole_s=2.0, now_s=600.0)
    assert seconds(times) == pytest.approx([1.1, 1.1])
