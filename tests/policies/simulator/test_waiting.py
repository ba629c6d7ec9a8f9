"""Background requests that wait for a cheaper moment."""

from __future__ import annotations

import pytest

from meshd.core.candidate import WAIT, Observation
from meshd.core.request import Priority
from policies.scenario import Happening, Kind
from policies.simulator import Simulator, Use
from tests.policies.simulator.playing import on, play
from tests.policies.simulator.worlds import TRIO, arrival, node, scenario

WATCH, PHONE, HUB = TRIO


def _waits_if_it_may(observation: Observation) -> int:
    return WAIT if observation.wait_s is not None else on("hub")(observation)


def test_a_request_that_waits_goes_with_the_next_one_that_wakes_the_radio_and_wakes_none_itself() -> None:
    asking = [
        arrival(0, 1.0, priority=Priority.BACKGROUND, deadline_s=30.0),
        arrival(1, 4.0, deadline_s=5.0),
    ]
    simulator = Simulator(scenario(*asking))
    asked = play(simulator, _waits_if_it_may)
    assert [(choice.observation.request_id, choice.now) for choice in asked] == [("0", 1.0), ("1", 4.0), ("0", 4.0)]
    woken = {charge.request for charge in simulator.costs.charges if charge.use is Use.WAKE}
    assert woken == {1}
    ends = {ended.request: ended.seconds for ended in simulator.costs.ends}
    assert ends[0] == pytest.approx(3.0 + ends[1], abs=0.02)


def test_a_request_that_waits_in_vain_is_asked_again_before_its_time_is_over() -> None:
    simulator = Simulator(scenario(arrival(0, 1.0, priority=Priority.BACKGROUND, deadline_s=4.0)))
    asked = play(simulator, _waits_if_it_may)
    assert len(asked) == 2
    assert asked[1].now - asked[0].now == pytest.approx(asked[0].observation.wait_s)
    assert [ended.is_missed for ended in simulator.costs.ends] == [False]


def test_a_request_that_waits_is_let_go_with_the_first_sample_on_the_charger() -> None:
    charges = Happening(at_s=3.0, kind=Kind.CHARGES, node_id=WATCH.node_id)
    waiting = arrival(0, 1.0, priority=Priority.BACKGROUND, deadline_s=60.0)
    simulator = Simulator(scenario(waiting, nodes=(node(WATCH), node(HUB)), happenings=(charges,)))
    asked = play(simulator, _waits_if_it_may)
    assert 3.0 <= asked[1].now <= 4.0


def test_urgent_requests_may_not_wait() -> None:
    simulator = Simulator(scenario(arrival(0, 1.0)))
    assert [choice.observation.wait_s for choice in play(simulator)] == [None]


def test_waiting_costs_its_seconds_at_the_price_of_the_background() -> None:
    waiting = arrival(0, 1.0, priority=Priority.BACKGROUND, deadline_s=4.0)
    costs = {}
    for name, rule in (("waits", _waits_if_it_may), ("goes", on("hub"))):
        simulator = Simulator(scenario(waiting))
        play(simulator, rule)
        (ended,) = simulator.costs.ends
        assert ended.cost == pytest.approx(0.1 * 0.1 * ended.seconds)
        costs[name] = ended.cost
    assert costs["waits"] > costs["goes"] + 0.01
