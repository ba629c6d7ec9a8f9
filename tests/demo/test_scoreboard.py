"""Every window is booked once, and rates are those of the windows that were played."""

import numpy as np
import pytest

from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.ids import ModelName, NodeId
from meshd.core.node import DeviceClass
from meshd.demo.scoreboard import Alarm, Detection, Latency, Scoreboard, detection

WATCH, PHONE, HUB = DeviceClass.WATCH, DeviceClass.PHONE, DeviceClass.HUB


def answer(*tiers: DeviceClass, anomalous: bool | None = False, degraded: bool = False) -> Answer:
    route = tuple(
        Hop(node_id=NodeId("ab" * 32), node=tier.value, tier=tier, variant="fp32", compute_s=0.001) for tier in tiers
    )
    return Answer(
        model=ModelName("ecg-anomaly"),
        version="1",
        tier=tiers[-1],
        variant="fp32",
        score=0.9,
        anomalous=anomalous,
        confidence=0.9,
        degraded=degraded,
        escalations=len(tiers) - 1,
        route=route,
        timings=Timings(),
        energy=Energy(),
    )


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard()


def test_each_outcome_is_counted_in_its_own_place(board: Scoreboard) -> None:
    for _ in range(5):
        board.submit()
    board.answer(0, answer(WATCH), 0.001)
    board.answer(1, answer(WATCH, degraded=True), 0.001)
    board.fail("overloaded")
    board.lose()
    assert (board.submitted, board.completed, board.degraded, dict(board.failed), board.lost, board.in_flight) == (
        5,
        2,
        1,
        {"overloaded": 1},
        1,
        1,
    )


def test_an_escalation_is_counted_between_the_tiers_it_went(board: Scoreboard) -> None:
    for route in [(WATCH,), (WATCH, PHONE), (WATCH, PHONE, HUB), (WATCH, HUB), (HUB,)]:
        board.answer(0, answer(*route), 0.001)
    assert (board.escalations(WATCH, PHONE), board.escalations(PHONE, HUB), board.escalations(WATCH, HUB)) == (2, 1, 1)


def test_latency_belongs_to_the_tier_that_had_the_last_word(board: Scoreboard) -> None:
    for milliseconds in range(1, 102):
        board.answer(0, answer(WATCH, HUB), milliseconds / 1e3)
    silent = Latency(answered=0, p50_ms=None, p99_ms=None)
    latencies = board.latencies()
    assert (latencies[WATCH], latencies[PHONE], latencies[HUB].answered) == (silent, silent, 101)
    assert [round(ms or 0.0, 9) for ms in (latencies[HUB].p50_ms, latencies[HUB].p99_ms)] == [51.0, 100.0]


def test_routes_are_priced_as_often_as_they_were_taken(board: Scoreboard) -> None:
    for route in [(WATCH,), (WATCH,), (WATCH, PHONE)]:
        board.answer(0, answer(*route), 0.001)
    assert board.joules(lambda route: float(len(route))) == 4.0


def test_the_last_alarms_are_remembered_oldest_first(board: Scoreboard) -> None:
    for window in range(8):
        board.answer(window, answer(HUB, anomalous=window % 2 == 0), 0.001)
    board.answer(9, answer(HUB, anomalous=None), 0.001)
    assert list(board.recent) == [Alarm(window=window, tier=HUB, confidence=0.9) for window in (0, 2, 4, 6)]


def test_sensitivity_and_specificity_count_windows_as_often_as_they_were_played(board: Scoreboard) -> None:
    truth = [True, True, False, False]
    for window, anomalous in [(0, True), (0, True), (1, False), (2, False), (3, True)]:
        board.answer(window, answer(HUB, anomalous=anomalous), 0.001)
    assert board.detection(truth) == Detection(sensitivity=2 / 3, specificity=1 / 2)
    by_watch = {0: False, 1: True, 2: False, 3: False}
    assert board.detection_of(by_watch, truth) == Detection(sensitivity=1 / 3, specificity=1.0)


def test_annotations_may_be_an_array(board: Scoreboard) -> None:
    board.answer(1, answer(HUB, anomalous=True), 0.001)
    assert board.detection(np.array([False, True]).tolist()).sensitivity == 1.0


def test_without_windows_of_a_kind_there_is_no_rate() -> None:
    assert detection({(0, True): 1}, [True]) == Detection(sensitivity=1.0, specificity=None)
    assert detection({}, []) == Detection(sensitivity=None, specificity=None)


def test_a_tier_that_says_nothing_raises_no_alarm() -> None:
    assert detection({(0, None): 1, (1, None): 1}, [True, False]) == Detection(sensitivity=0.0, specificity=1.0)
