"""What has become another figure is learned anew within a few samples, and what only scatters is not."""

from __future__ import annotations

import random

import pytest

from meshd.core.drift import Chart, Odds
from meshd.core.drifts import Drifts
from meshd.core.estimate import Estimate
from meshd.core.handling import Taken
from meshd.core.ids import NodeId
from meshd.core.mesh_view import MeshView
from meshd.core.rate import Rate
from tests.core.parts import cut_tier, member, mesh, node_id

USUAL_S = 0.1
MODEL = cut_tier((0.010, 0.010), (2_000,))


def steady(*, samples: int = 40) -> Estimate:
    """Return what is known of runs that scatter by a tenth."""
    known = Estimate.prior(USUAL_S, 0.0)
    for number in range(samples):
        known = known.updated(USUAL_S * (0.9 if number % 2 else 1.1), float(number), at_most=6.0)
    return known


@pytest.mark.parametrize("factor", [0.4, 2.0, 4.0])
def test_the_third_sample_that_says_the_same_is_believed_alone(factor: float) -> None:
    known = steady()
    told = []
    for number in range(3):
        known = known.updated(factor * USUAL_S, 40.0 + number, at_most=6.0)
        told.append(known.has_drifted)
    assert told == [False, False, True]
    assert known.mean == pytest.approx(factor * USUAL_S)
    assert known.samples == 1


def test_what_became_another_is_as_unsure_as_what_nobody_has_measured_and_grows_sure_again() -> None:
    known = steady()
    for number in range(3):
        known = known.updated(2.0 * USUAL_S, 40.0 + number)
    assert known.deviation(42.0) == pytest.approx(0.5 * known.mean)
    for number in range(20):
        known = known.updated(2.0 * USUAL_S, 43.0 + number)
    assert known.deviation(62.0) < 0.1 * known.mean


@pytest.mark.parametrize("pause_s", [0.5, 5.0, 500.0])
def test_no_pause_however_long_is_another_figure_nor_are_two_of_them_apart(pause_s: float) -> None:
    known = steady()
    for sample_s in (pause_s, *[USUAL_S] * 4, pause_s, USUAL_S):
        known = known.updated(sample_s, 40.0, at_most=6.0)
        assert not known.has_drifted


@pytest.mark.parametrize("spread", [0.05, 0.15, 0.3])
def test_what_scatters_is_hardly_ever_taken_for_another_figure(spread: float) -> None:
    chance = random.Random(7)
    known, n_drifts = Estimate.prior(USUAL_S, 0.0), 0
    for _ in range(10_000):
        known = known.updated(USUAL_S * chance.lognormvariate(0.0, spread), 0.0)
        n_drifts += known.has_drifted
    assert n_drifts <= 2


def test_what_was_forgotten_is_held_against_nothing_that_was_seen_before() -> None:
    left = steady().forgotten(600.0, 3.0 * USUAL_S)
    assert left.chart is None
    assert not left.updated(3.0 * USUAL_S, 600.0).has_drifted


def test_a_spread_of_nothing_around_nothing_tells_of_nothing() -> None:
    assert not Chart(mean=0.0, spread=0.0).watched(1.0).is_broken


def test_what_was_announced_wrongly_has_not_become_another_figure() -> None:
    known = Estimate.prior(USUAL_S, 0.0)
    for number in range(20):
        known = known.updated(8.0 * USUAL_S, float(number))
        assert not known.has_drifted


def rates(known: Rate, happened: str) -> list[bool]:
    """Return after which of some samples, 1 for each that happened, it was told that it is another rate."""
    told = []
    for sign in happened:
        known = known.updated(happened=sign == "1", now=0.0)
        told.append(known.has_drifted)
    return told


def test_five_escalations_in_a_row_are_a_burst_and_eight_are_another_rate() -> None:
    assert rates(Rate.believed(0.1, 0.0), "11111111") == [False] * 7 + [True]


def test_a_rate_that_became_another_is_what_it_was_lately_and_the_next_samples_count_for_more() -> None:
    known = Rate.believed(0.1, 0.0)
    for _ in range(8):
        known = known.updated(happened=True, now=0.0)
    assert known.learned == known.lately > 0.6
    assert known.updated(happened=False, now=0.0).learned == pytest.approx(known.learned * (1 - 1 / 8))


def test_what_happens_as_often_as_was_believed_is_no_other_rate() -> None:
    chance = random.Random(8)
    happened = "".join("1" if chance.random() < 0.2 else "0" for _ in range(10_000))
    assert sum(rates(Rate.believed(0.2, 0.0), happened)) <= 2


def test_a_rate_near_nothing_stays_a_number() -> None:
    assert not Odds().watched(0.0, happened=False).is_broken
    assert Odds().watched(1.0, happened=False).less > 0.0


def test_a_view_counts_what_it_had_to_learn_anew() -> None:
    view, kitchen = mesh(member("band", MODEL), member("kitchen", MODEL)), node_id("kitchen")
    for factor in (1.0, 3.0):
        for _ in range(40):
            taught(view, kitchen, factor)
    assert view.drifts == Drifts(runs=2, handling=1, escalations=1)


def taught(view: MeshView, at: NodeId, factor: float) -> None:
    """Have a view learn of the whole and of a part of a model, of what it takes beyond them, and of its answers."""
    view.learn_stages(at, MODEL, 0, 2, factor * 0.020, 0.0)
    view.learn_stages(at, MODEL, 0, 1, factor * 0.010, 0.0)
    took_s = factor * 0.030
    handled = Taken(artifact=MODEL.artifact, cuts=(), n_bytes=1e3, parts_s=0.020, beyond_s=0.0, took_s=took_s)
    view.learn_handling(at, handled, 0.0)
    view.escalations.learn(MODEL, escalated=factor > 1.0, now=0.0)
