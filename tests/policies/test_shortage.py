from __future__ import annotations

from math import inf

import pytest

from policies.scenario import Happening, Kind, Scenario
from policies.shortage import Shortages
from policies.simulator import Charge, Simulator, Use
from policies.simulator.costs import Costs
from tests.policies.simulator.playing import play
from tests.policies.simulator.worlds import TRIO, arrival, battery, node, scenario

WATCH = TRIO[0]
ASKED = [arrival(number, 0.5 + 0.25 * number, deadline_s=0.2) for number in range(200)]


def world(joules: float, *happenings: Happening) -> Scenario:
    """A watch that is asked four times a second for fifty, and has so much charge at first."""
    dying = node(WATCH, battery=battery(capacity_joules=10.0, fraction=joules / 10.0, demand_watts=0.025))
    return scenario(*ASKED, nodes=(dying,), links=(), happenings=happenings, horizon_s=50.5)


def played(one: Scenario) -> Costs:
    simulator = Simulator(one)
    play(simulator)
    return simulator.costs


def drawn(at_s: float, joules: float = 1.0) -> Charge:
    return Charge(at_s=at_s, node_id=WATCH.node_id, use=Use.COMPUTE, joules=joules, cost=joules, request=0)


def test_a_joule_is_worth_the_misses_that_it_would_have_put_off() -> None:
    costs, richer = played(world(0.6)), played(world(0.7))
    further = Shortages(world(0.6), costs.since()).price(drawn(1.0, joules=0.1), seen_until_s=2.0)
    assert further == pytest.approx(costs.cost - richer.cost, rel=0.1)


def test_a_joule_of_a_battery_that_lasts_is_worth_no_more_than_itself() -> None:
    assert Shortages(world(9.0), played(world(9.0)).since()).price(drawn(1.0), seen_until_s=2.0) == 0.0


def test_what_is_drawn_before_the_charger_or_when_all_is_over_is_not_missed() -> None:
    charged = world(
        0.2,
        Happening(at_s=3.0, kind=Kind.CHARGES, node_id=WATCH.node_id),
        Happening(at_s=3.5, kind=Kind.DISCHARGES, node_id=WATCH.node_id),
    )
    shortages = Shortages(charged, played(charged).since())
    assert shortages.price(drawn(1.0), seen_until_s=2.0) == 0.0
    assert shortages.price(drawn(4.0), seen_until_s=5.0) > 0.0
    assert shortages.price(drawn(50.0), seen_until_s=51.0) == 0.0


def test_who_sees_the_battery_empty_pays_for_what_is_missed_and_no_price_beside_it() -> None:
    shortages = Shortages(world(0.6), played(world(0.6)).since())
    assert shortages.price(drawn(1.0), seen_until_s=inf) == 0.0
