"""How fast an estimate believes samples, and how fast it forgets them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshd.core.estimate import Estimate

BELIEVED_S = 0.1


def steady(sample: float = BELIEVED_S, *, samples: int = 30) -> Estimate:
    known = Estimate.prior(BELIEVED_S, 0.0)
    for second in range(samples):
        known = known.updated(sample, float(second))
    return known


def test_the_first_samples_count_as_much_as_what_was_believed_before() -> None:
    known = Estimate.prior(0.0, 0.0)
    means = []
    for second in range(3):
        known = known.updated(1.0, float(second))
        means.append(known.mean)
    assert means == pytest.approx([1 / 2, 2 / 3, 3 / 4])
    assert (known.at_s, known.samples) == (2.0, 3)


def test_five_samples_replace_two_thirds_of_what_many_have_taught() -> None:
    known = steady()
    for second in range(5):
        known = known.updated(1.2 * BELIEVED_S, 29.0 + second)
    assert known.mean == pytest.approx(BELIEVED_S * (1.2 - 0.2 * 0.8**5))


def test_steady_samples_leave_little_doubt_and_age_brings_it_back_up_to_that_of_an_unmeasured_figure() -> None:
    known = steady()
    fresh = known.deviation(29.0)
    assert fresh < 0.004
    assert known.deviation(29.0 + 30.0) == pytest.approx(2 * fresh)
    assert known.deviation(1e9) == pytest.approx(0.05)


def test_scattered_samples_stay_as_unsure_as_they_are() -> None:
    known = Estimate.prior(0.1, 0.0)
    for second in range(40):
        known = known.updated(0.01 if second % 2 else 1.0, float(second))
    assert known.deviation(40.0) > 0.3


def test_one_run_that_met_a_pause_counts_for_three_times_what_was_predicted_and_two_mean_it() -> None:
    known = steady().updated(100.0, 30.0, at_most=3.0)
    assert known.mean == pytest.approx(1.4 * BELIEVED_S)
    assert known.updated(BELIEVED_S, 30.0, at_most=3.0).updated(100.0, 30.0, at_most=3.0).mean < 2.0 * BELIEVED_S
    assert known.updated(100.0, 30.0, at_most=3.0).mean > 10.0


def test_nothing_that_took_long_stays_hidden_behind_an_announcement_of_no_time() -> None:
    assert Estimate.prior(0.0, 0.0).updated(1.0, 0.0, at_most=3.0).mean == 0.5
    known = Estimate.prior(1e-9, 0.0).updated(1.0, 0.0, at_most=3.0).updated(1.0, 0.0, at_most=3.0)
    assert known.mean > 0.3


def test_what_was_measured_under_load_is_forgotten_within_minutes_and_so_is_how_unsure_it_was() -> None:
    loaded = steady(10 * BELIEVED_S)
    left = [loaded.forgotten(29.0 + age_s, BELIEVED_S) for age_s in (0.0, 30.0, 150.0, 390.0, 1_200.0)]
    assert [known.mean for known in left] == pytest.approx([1.0, 1.0, 0.431, 0.145, 0.1], abs=0.002)
    assert left[-1].deviation(2_000.0) == pytest.approx(0.05, rel=0.05)


def test_a_sample_counts_the_more_the_older_what_is_believed_is() -> None:
    loaded = steady(10 * BELIEVED_S)
    means = [loaded.updated(BELIEVED_S, 29.0 + age_s).mean for age_s in (0.0, 60.0, 150.0, 600.0)]
    assert means == sorted(means, reverse=True)
    assert means[0] == pytest.approx(0.82, abs=0.01)
    assert means[-1] == pytest.approx(BELIEVED_S, rel=0.1)


@given(st.floats(0.01, 100.0), st.lists(st.floats(0.0, 600.0), min_size=1, max_size=60), st.floats(0.05, 20.0))
def test_how_often_it_is_looked_at_does_not_change_what_is_left(
    believed: float, moments_s: list[float], times: float
) -> None:
    known = Estimate.prior(believed, 0.0).updated(believed * times, 0.0)
    looked = known
    for now in sorted(moments_s):
        looked = looked.forgotten(now, believed)
    last_s = max(moments_s)
    assert looked.mean == pytest.approx(known.forgotten(last_s, believed).mean, rel=0.03)


@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.lists(st.floats(0.0, 1e4), min_size=2, max_size=20))
def test_it_goes_back_without_a_turn_and_never_beyond_what_was_believed(
    believed: float, learned: float, moments_s: list[float]
) -> None:
    known = Estimate(mean=learned, variance=0.0, at_s=0.0, samples=9)
    means = [known.forgotten(now, believed).mean for now in sorted(moments_s)]
    away = [abs(mean - believed) for mean in means]
    assert all(behind <= before + 0.021 * max(learned, believed) for before, behind in pairwise(away))
    least, most = min(believed, learned), max(believed, learned)
    assert all(0.999 * least <= mean <= 1.001 * most for mean in means)


@given(st.floats(0.01, 100.0), st.floats(0.0, 10.0), st.floats(0.0, 1e4), st.floats(0.0, 1e4))
def test_it_grows_no_surer_by_waiting_than_a_figure_nobody_has_measured(
    believed: float, spread: float, sooner_s: float, later_s: float
) -> None:
    known = Estimate(mean=believed, variance=(believed * spread) ** 2, at_s=0.0, samples=9)
    sooner_s, later_s = sorted((sooner_s, later_s))
    sooner = known.forgotten(sooner_s, believed).deviation(sooner_s)
    later = known.forgotten(later_s, believed).deviation(later_s)
    unmeasured = 0.5 * believed
    if spread <= 0.5:
        assert later >= sooner * (1.0 - 1e-9)
    else:
        assert unmeasured * 0.99 <= later <= sooner * 1.12


@pytest.mark.parametrize("silent_s", [600.0, 3_600.0])
def test_one_sample_after_a_long_silence_leaves_about_as_much_doubt_as_the_first_one_ever(silent_s: float) -> None:
    first = Estimate.prior(BELIEVED_S, 0.0).updated(BELIEVED_S, 0.0).deviation(0.0)
    again = steady(samples=200).updated(BELIEVED_S, 200.0 + silent_s).deviation(200.0 + silent_s)
    assert first <= again <= 0.5 * BELIEVED_S
