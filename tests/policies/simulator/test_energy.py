from __future__ import annotations

import pytest

from policies.scenario import Happening, Kind, Radio, draw
from policies.simulator import Simulator, Use
from tests.core.builders import WATCH_TIER, tier, watch
from tests.policies.simulator.playing import Rule, cheapest, dearest, on, play
from tests.policies.simulator.worlds import CLIMBS, TRIO, arrival, battery, node, scenario

WATCH, PHONE, HUB = TRIO


@pytest.mark.parametrize("rule", [cheapest, dearest])
@pytest.mark.parametrize("family", ["afternoon", "commuting", "doorbell", "evening", "flaky_radio", "weekend"])
def test_the_ledger_sums_up_to_what_batteries_and_sockets_gave(family: str, rule: Rule) -> None:
    simulator = Simulator(draw(family, 7))
    play(simulator, rule)
    taken = {each.node_id: sum(simulator.costs.joules(each.node_id).values()) for each in simulator.scenario.nodes}
    assert taken == pytest.approx(simulator.given_joules(), rel=1e-9)


def test_every_joule_is_charged_once_with_its_moment_and_for_one_arrival() -> None:
    simulator = Simulator(draw("evening", 7))
    play(simulator)
    costs = simulator.costs
    charged = dict.fromkeys(costs.joules_by_class(), 0.0)
    classes = {each.node_id: each.profile.device_class for each in simulator.scenario.nodes}
    for charge in costs.charges:
        charged[classes[charge.node_id]] += charge.joules
        assert charge.request in range(len(simulator.scenario.arrivals)) or charge.use is Use.LOAD
    assert charged == pytest.approx(costs.joules_by_class())
    assert sum(entry.cost for entry in costs.since()) == pytest.approx(costs.cost)
    assert sum(costs.by_request().values()) == pytest.approx(costs.cost)


def test_joules_from_the_wall_cost_what_the_settings_say() -> None:
    plugged = node(WATCH, battery=battery(is_charging=True))
    simulator = Simulator(scenario(arrival(0, 1.0), nodes=(plugged,), links=()))
    play(simulator)
    (charge,) = simulator.costs.charges
    assert (charge.joules, charge.cost) == pytest.approx((0.002 * 0.1, 0.002 * 0.1 * 0.1))


def test_a_node_takes_its_demand_whatever_is_decided_and_that_costs_nothing() -> None:
    simulator = Simulator(scenario())
    play(simulator)
    costs = simulator.costs
    assert [costs.joules(profile.node_id)[Use.DEMAND] for profile in TRIO] == pytest.approx([0.1, 0.1, 0.1])
    assert costs.cost == 0.0


def test_an_empty_battery_takes_its_node_away_and_its_clients_ask_in_vain() -> None:
    dying = node(WATCH, battery=battery(capacity_joules=1.0, fraction=0.05, demand_watts=0.025))
    asking = [arrival(0, 1.0), arrival(1, 3.0, truth=CLIMBS)]
    simulator = Simulator(scenario(*asking, nodes=(dying, node(PHONE), node(HUB))))
    play(simulator)
    ends = list(simulator.costs.ends)
    assert [ended.code for ended in ends] == ["", "battery_empty"]
    assert ends[1].cost == pytest.approx(1.0 + 2.0)
    assert simulator.given_joules()[WATCH.node_id] == pytest.approx(0.05)


def test_work_empties_a_battery_sooner() -> None:
    hungry = watch(tier(WATCH_TIER, compute_s=0.2))
    dying = node(hungry, battery=battery(capacity_joules=0.05, fraction=1.0, demand_watts=0.01))
    asking = [arrival(number, 0.5 + 0.5 * number, deadline_s=0.4) for number in range(4)]
    simulator = Simulator(scenario(*asking, nodes=(dying,), links=()))
    play(simulator)
    # Two runs of 0.02 J: idle it would have lasted for 5 s.
    assert [ended.code for ended in simulator.costs.ends] == ["", "", "battery_empty", "battery_empty"]


def test_an_empty_node_that_is_put_on_a_charger_starts_anew() -> None:
    dying = node(WATCH, battery=battery(capacity_joules=1.0, fraction=0.02, demand_watts=0.02))
    charges = Happening(at_s=4.0, kind=Kind.CHARGES, node_id=WATCH.node_id)
    asking = [arrival(0, 2.0), arrival(1, 6.0)]
    simulator = Simulator(scenario(*asking, nodes=(dying,), links=(), happenings=(charges,)))
    play(simulator)
    assert [ended.code for ended in simulator.costs.ends] == ["battery_empty", ""]


def test_a_charger_gives_no_more_than_is_drawn_once_the_battery_is_full() -> None:
    full = node(WATCH, battery=battery(capacity_joules=10.0, fraction=0.9, demand_watts=0.1, is_charging=True))
    simulator = Simulator(scenario(nodes=(full,), links=()))
    play(simulator)
    assert simulator.given_joules()[WATCH.node_id] == pytest.approx(0.1 * 10.0)


def test_a_run_that_its_node_does_not_live_to_end_takes_the_joules_of_what_it_had() -> None:
    dies = Happening(at_s=1.0015, kind=Kind.DIES, node_id=WATCH.node_id)
    simulator = Simulator(scenario(arrival(0, 1.0), nodes=(node(WATCH),), links=(), happenings=(dies,)))
    play(simulator)
    assert [charge.joules for charge in simulator.costs.charges] == pytest.approx([0.0015 * 0.1])
    assert [ended.is_missed for ended in simulator.costs.ends] == [True]


def test_a_sleeping_radio_takes_joules_and_time_to_wake_at_both_ends_and_an_awake_one_none() -> None:
    slow = tuple(node(profile, radio=Radio(wake_s=0.05, tail_s=1.0)) for profile in (WATCH, HUB))
    asking = [arrival(0, 1.0, deadline_s=4.0), arrival(1, 1.5, deadline_s=4.0), arrival(2, 5.0, deadline_s=4.0)]
    simulator = Simulator(scenario(*asking, nodes=slow))
    play(simulator, on("hub"))
    seconds = [ended.seconds for ended in simulator.costs.ends]
    assert [seconds[0] - seconds[1], seconds[2] - seconds[1]] == pytest.approx([0.1, 0.1])
    woken = [(charge.request, charge.node_id) for charge in simulator.costs.charges if charge.use is Use.WAKE]
    assert woken == [(0, "watch"), (0, "hub"), (2, "watch"), (2, "hub")]


def test_a_tail_is_paid_for_once_where_two_overlap() -> None:
    lingering = tuple(node(profile, radio=Radio(tail_s=1.0, tail_watts=0.1)) for profile in (WATCH, HUB))
    asking = [arrival(0, 1.0), arrival(1, 1.5)]
    simulator = Simulator(scenario(*asking, nodes=lingering))
    play(simulator, on("hub"))
    first, last = (ended.at_s for ended in simulator.costs.ends)
    for profile in (WATCH, HUB):
        tail = simulator.costs.joules(profile.node_id)[Use.TAIL]
        assert tail == pytest.approx(0.1 * (1.0 + (last - first)), rel=0.05)


def test_bytes_cost_both_ends_and_the_answer_as_well_as_the_question() -> None:
    simulator = Simulator(scenario(arrival(0, 1.0)))
    play(simulator, on("hub"))
    moved = {charge.node_id: 0.0 for charge in simulator.costs.charges}
    for charge in simulator.costs.charges:
        moved[charge.node_id] += charge.joules * (charge.use is Use.RADIO)
    assert moved == pytest.approx({"watch": 10_100 * 1e-7, "hub": 10_100 * 1e-7})
