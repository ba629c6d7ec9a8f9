"""What real requests have cost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.node import DeviceClass
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority
from meshd.core.settings import Settings
from policies.mesh.question import Heard, Question, Run
from policies.mesh.rehearsal import rehearsed
from policies.mesh.reward import Gain, Parts, Prices, mean_of_rounds, realised, simulated
from tests.core.builders import ALARM, CALM
from tests.policies.mesh.meshes import CALM_WINDOWS, HUB, PHONE, WATCH, mesh, run_s

PRICES = Prices(
    settings=Settings(latency_price_watts=2.0, mains_joule_weight=0.1, miss_price_joules=5.0), missed_anomaly_joules=7.0
)
ASKED = Question(at_s=0.0, node=WATCH, window=0, items=2)


def _heard(*nodes: DeviceClass, joules: float) -> Heard:
    runs = tuple(Run(node=node, compute_s=0.001, items=2, codec="raw", score=CALM) for node in nodes)
    return Heard(number=0, sent_s=0.0, seconds=0.5, runs=runs, joules=joules)


def _told(name: DeviceClass) -> float:
    """What a daemon tells of a run of both items."""
    profile = mesh().nodes[name].profile
    return profile.power.compute_joules(2 * profile.hosted[0].macs)


def _taken(name: DeviceClass) -> float:
    """What the seconds of that run take."""
    return 0.001 * mesh().nodes[name].profile.power.active_watts


def test_of_batteries_seconds_bytes_and_the_seconds_of_runs_count_in_full() -> None:
    (found,) = realised([ASKED], [_heard(WATCH, joules=0.25 + _told(WATCH))], mesh(), PRICES)
    assert (found.seconds, found.joules, found.misses) == pytest.approx((2.0 * 0.5, 0.25 + _taken(WATCH), 0.0))


def test_of_a_run_that_others_share_only_the_own_items_count() -> None:
    heard = _heard(WATCH, joules=_told(WATCH))
    shared = replace(heard, runs=(replace(heard.runs[0], items=8),))
    (found,) = realised([ASKED], [shared], mesh(), PRICES)
    assert found.joules == pytest.approx(_taken(WATCH) / 4.0)


def test_of_a_request_in_parts_each_node_counts_for_its_own_items() -> None:
    heard = _heard(WATCH, PHONE, joules=(_told(WATCH) + _told(PHONE)) / 2.0)
    parted = replace(heard, runs=tuple(replace(run, items=1) for run in heard.runs))
    (found,) = realised([ASKED], [parted], mesh(), PRICES)
    assert found.joules == pytest.approx(_taken(WATCH) + _taken(PHONE))


def test_items_of_a_request_in_parts_travel_to_each_node_from_who_was_asked() -> None:
    asked = replace(ASKED, node=HUB)
    told = (_told(HUB) + _told(PHONE)) / 2.0
    runs = tuple(replace(run, items=1) for run in _heard(PHONE, HUB, joules=0.0).runs)
    (found,) = realised([asked], [replace(_heard(PHONE, HUB, joules=1.0 + told), runs=runs)], mesh(), PRICES)
    to_phone = (1_000 + 100) * mesh().nodes[HUB].profile.power.radio_joules_per_byte
    assert found.joules == pytest.approx(1.0 - 0.9 * to_phone + _taken(PHONE) + 0.1 * _taken(HUB))


def test_seconds_of_the_background_and_joules_from_the_mains_count_a_tenth() -> None:
    background = replace(ASKED, priority=Priority.BACKGROUND)
    sent = 2 * (1_000 + 100) * mesh().nodes[HUB].profile.power.radio_joules_per_byte
    (found,) = realised([background], [_heard(HUB, joules=1.0 + _told(HUB))], mesh(), PRICES)
    joules = 1.0 - 0.9 * sent + 0.1 * _taken(HUB)
    assert (found.seconds, found.joules, found.misses) == pytest.approx((0.1 * 2.0 * 0.5, joules, 0.0))


def test_a_miss_and_an_anomaly_that_is_not_told_have_their_prices() -> None:
    scores = {**CALM_WINDOWS.scores, HUB: (ALARM, *CALM_WINDOWS.scores[HUB][1:])}
    sick = mesh(judged=replace(CALM_WINDOWS, scores=scores, is_anomaly=(True, *(False,) * 39)))
    hidden = realised([ASKED], [_heard(WATCH, joules=0.0)], sick, PRICES)
    missed = realised([ASKED], [_heard(joules=0.0)], sick, PRICES)
    unheard_of = realised([ASKED], [_heard(joules=0.0)], mesh(), PRICES)
    assert [row.misses for row in (*hidden, *missed, *unheard_of)] == [7.0, 5.0 + 7.0, 5.0]


def test_in_the_simulator_the_same_is_counted() -> None:
    load = [replace(ASKED, at_s=1.0, node=HUB, place="hub"), replace(ASKED, at_s=2.0, place="watch")]
    lessons = [Question(at_s=float(number), node=WATCH, window=0, place="hub") for number in range(3)]
    rehearsal = rehearsed(mesh(), lessons, load, LeastExpectedCost, settings=PRICES.settings)
    rows = simulated(load, rehearsal, PRICES)
    joules = [run_s(mesh(), name, 2) * mesh().nodes[name].profile.power.active_watts for name in (HUB, WATCH)]
    assert [row.joules for row in rows] == pytest.approx([0.1 * joules[0], joules[1]])
    assert [row.seconds for row in rows] == pytest.approx([2.0 * ended.seconds for ended in rehearsal.ends])
    assert [row.misses for row in rows] == pytest.approx([0.0, 0.0])


def _costing(*joules: float) -> list[Parts]:
    return [Parts(joules=one) for one in joules]


def test_a_gain_is_of_the_same_requests_and_of_a_few_of_them_nobody_knows_how_sure_it_is() -> None:
    first, second = ([Parts(joules=joules, misses=1.0) for joules in row] for row in ((0.0, 1.0, 2.0), (2.0, 1.0, 4.0)))
    ours = mean_of_rounds([first, second])
    assert [row.whole for row in ours] == [2.0, 2.0, 4.0]
    gain = Gain.of(ours, [Parts(seconds=seconds) for seconds in (3.0, 4.0, 5.0)])
    assert gain.mean == pytest.approx(4.0 / 3.0)
    assert (gain.low, gain.high) == (None, None)


def test_requests_that_follow_one_another_count_as_one_where_they_gain_alike() -> None:
    by_block = [float(block % 2) for block in range(10)]
    twice = Gain.of(_costing(*(0.0,) * 20), _costing(*(one for one in by_block for _ in range(2))))
    often = Gain.of(_costing(*(0.0,) * 200), _costing(*(one for one in by_block for _ in range(20))))
    assert twice == often, "more of the same tells nothing more"
    around = 2.262 * (5.0 / 18.0 / 10.0) ** 0.5
    assert (often.mean, often.low, often.high) == pytest.approx((0.5, 0.5 - around, 0.5 + around))


def test_requests_that_gain_by_turns_are_as_sure_as_their_mean() -> None:
    by_turns = Gain.of(_costing(*(0.0,) * 200), _costing(*(0.0, 1.0) * 100))
    assert (by_turns.mean, by_turns.low, by_turns.high) == pytest.approx((0.5, 0.5, 0.5))
