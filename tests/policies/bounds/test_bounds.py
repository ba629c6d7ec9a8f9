from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.policy import LeastExpectedCost
from policies.baselines import BASELINES
from policies.bounds import Foresight, foresee, least_cost
from policies.bounds.presence import Presence
from policies.bounds.relaxation import Relaxation
from policies.evaluation.play import play
from policies.scenario import Happening, Kind, Truth, draw, family_names
from tests.core.builders import ALARM, CALM
from tests.policies.simulator.worlds import TRIO, arrival, first_minute, node, scenario

WATCH, PHONE, HUB = TRIO


@pytest.mark.parametrize(
    "family", [name for name in family_names() if name not in {"twelve_nodes", "sixty_four_nodes"}]
)
def test_no_policy_pays_less_than_the_relaxation_for_any_request(family: str) -> None:
    world = first_minute(draw(family, 3))
    relaxation = Relaxation(world)
    presences = {node.node_id: Presence(node, world.happenings) for node in world.nodes}
    least = {
        number: relaxation.least(number, one)
        for number, one in enumerate(world.arrivals)
        if presences[one.node_id].asks_at(one.at_s)
    }
    for name in ("least-expected-cost", "least-expected-latency", "random"):
        paid = play(world, lambda: BASELINES[name].policy({})).by_request()  # noqa: B023 - called at once
        assert {number: cost for number, cost in least.items() if paid[number] < cost * (1.0 - 1e-9)} == {}
    assert sum(least.values()) == pytest.approx(least_cost(world))


def test_a_request_that_one_node_can_run_costs_at_least_its_seconds_and_half_of_its_joules() -> None:
    alone = node(WATCH)
    world = scenario(arrival(0, 1.0), nodes=(alone,), links=())
    (hosting,) = alone.hosted
    seconds = hosting.compute_s * world.settings.latency_price_watts
    joules = hosting.compute_s * alone.power.active_watts  # In a batch with others a request bears half of an item.
    assert least_cost(world) == pytest.approx(seconds + 0.5 * joules)
    assert play(world, LeastExpectedCost).cost == pytest.approx(seconds + joules)


def test_a_hidden_anomaly_is_in_the_bound_where_nobody_is_there_to_tell_it() -> None:
    unseen = Truth(scores=(CALM, ALARM, ALARM, ALARM), is_anomaly=True)
    plain = scenario(arrival(0, 1.0, truth=unseen), nodes=(node(WATCH),), links=())
    assert least_cost(plain) > least_cost(replace(plain, missed_anomaly_joules=0.0))


@pytest.mark.parametrize(
    ("kinds", "asks"),
    [
        ((), True),
        ((Kind.DIES,), False),
        ((Kind.DIES, Kind.JOINS), True),
        ((Kind.STALLS,), False),
        ((Kind.STALLS, Kind.RESUMES), True),
        ((Kind.LEAVES, Kind.JOINS), False),
        ((Kind.CHARGES,), True),
    ],
)
def test_a_request_counts_only_where_every_policy_sees_it_asked(kinds: tuple[Kind, ...], asks: bool) -> None:
    happenings = [Happening(at_s=float(at), kind=kind, node_id=WATCH.node_id) for at, kind in enumerate(kinds)]
    assert Presence(node(WATCH), happenings).asks_at(5.0) is asks


def test_who_sees_the_future_pays_no_more_than_the_rule_that_it_rests_on() -> None:
    world = draw("home", 2)
    short = replace(world, horizon_s=20.0, arrivals=tuple(one for one in world.arrivals if one.at_s < 20.0))
    planned = foresee(short, LeastExpectedCost(), Foresight(look_ahead_s=1e9, breadth=3))
    assert least_cost(short) <= planned.cost <= play(short, LeastExpectedCost).cost + 1e-9
