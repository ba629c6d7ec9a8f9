from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.candidate import Observation
from meshd.core.ids import RequestId
from meshd.core.request import Priority
from meshd.core.settings import Settings
from policies.scenario import draw
from policies.simulator import Simulator, Use
from tests.core.builders import HUB_TIER, WATCH_TIER, hub, tier, watch
from tests.policies.simulator.playing import cheapest, dearest, on, play
from tests.policies.simulator.worlds import CLIMBS, RESULT_BYTES, TRIO, arrival, cut, links, node, scenario

WATCH, PHONE, HUB = TRIO


def test_every_arrival_ends_once_and_its_client_waited_from_its_arrival_to_its_end() -> None:
    world = scenario(*(arrival(number, 1.0 + number, profile) for number, profile in enumerate(TRIO)))
    simulator = Simulator(world)
    play(simulator)
    ends = list(simulator.costs.ends)
    assert [ended.request for ended in ends] == [0, 1, 2]
    assert [ended.at_s - ended.seconds for ended in ends] == pytest.approx([1.0, 2.0, 3.0])


def test_a_policy_is_asked_with_the_view_and_the_time_of_the_decision_on_whatever_node_it_is_taken() -> None:
    simulator = Simulator(scenario(arrival(0, 1.0, WATCH), arrival(1, 2.0, PHONE)))
    asked = play(simulator)
    assert [(choice.node_id, choice.now) for choice in asked] == [(WATCH.node_id, 1.0), (PHONE.node_id, 2.0)]
    assert [choice.view.own.profile.node_id for choice in asked] == [WATCH.node_id, PHONE.node_id]
    assert {peer.profile.name for peer in asked[0].view.nodes()} == {"watch", "phone", "hub"}


def test_nobody_is_asked_where_there_is_only_one_way() -> None:
    simulator = Simulator(scenario(arrival(0, 1.0), nodes=(node(WATCH),), links=()))
    assert play(simulator) == []
    assert [ended.tier for ended in simulator.costs.ends] == [WATCH_TIER]


def test_a_run_on_this_node_takes_its_true_seconds_and_not_those_that_were_announced() -> None:
    slower = node(WATCH)
    slower = replace(slower, hosted=(replace(slower.hosted[0], compute_s=0.3),))
    simulator = Simulator(scenario(arrival(0, 1.0), nodes=(slower,), links=()))
    play(simulator)
    assert [ended.seconds for ended in simulator.costs.ends] == pytest.approx([0.3])


def test_an_answer_in_doubt_climbs_to_the_tier_that_is_sure_by_the_drawn_truth() -> None:
    simulator = Simulator(scenario(arrival(0, 1.0, truth=CLIMBS)))
    asked = play(simulator, on("watch"))
    assert [ended.tier for ended in simulator.costs.ends] == [HUB_TIER]
    assert {choice.observation.above for choice in asked} == {
        None,
        WATCH_TIER,
    }  # Above the phone there is one way only.


def test_an_anomaly_is_hidden_where_a_tier_calls_it_normal_and_a_larger_one_would_not_have() -> None:
    seen_above = replace(CLIMBS, scores=(0.1, 0.1, 0.9, 0.9))
    found = {}
    for name in ("watch", "hub"):
        simulator = Simulator(scenario(arrival(0, 1.0, truth=seen_above)))
        play(simulator, on(name))
        (found[name],) = simulator.costs.ends
    assert (found["watch"].hides_anomaly, found["hub"].hides_anomaly) == (True, False)
    assert found["watch"].cost == pytest.approx(0.1 * found["watch"].seconds + 2.0)


def test_a_request_without_an_answer_in_time_costs_what_a_miss_costs() -> None:
    slow = node(WATCH)
    slow = replace(slow, hosted=(replace(slow.hosted[0], compute_s=5.0),))
    simulator = Simulator(scenario(arrival(0, 1.0, deadline_s=0.5), nodes=(slow,), links=()))
    play(simulator)
    (ended,) = simulator.costs.ends
    assert (ended.is_missed, ended.code) == (True, "deadline_exceeded")
    assert ended.seconds == pytest.approx(0.5)
    assert ended.cost == pytest.approx(0.1 * 0.5 + 1.0)


@pytest.mark.parametrize("family", ["evening", "flaky_radio", "overloaded_hub"])
def test_the_same_choices_in_the_same_world_cost_the_same_bit_for_bit(family: str) -> None:
    world = draw(family, 3)
    first, second = Simulator(world), Simulator(draw(family, 3))
    assert len(play(first)) == len(play(second))
    assert first.costs.since() == second.costs.since()


def test_another_decision_changes_nobody_elses_luck() -> None:
    uneven = tuple(node(profile, speed_spread=0.5) for profile in TRIO)
    world = scenario(arrival(0, 1.0), arrival(1, 5.0), nodes=uneven)
    calm, other = Simulator(world), Simulator(world)
    play(calm, on("watch"))
    play(other, lambda observation: on("hub" if observation.request_id == RequestId("0") else "watch")(observation))
    ends = [list(simulator.costs.ends) for simulator in (calm, other)]
    assert ends[0][0].seconds != ends[1][0].seconds
    assert ends[0][1].seconds == pytest.approx(ends[1][1].seconds)


def test_replies_carry_fresh_telemetry_unless_that_is_what_is_left_out() -> None:
    for tells, heard in ((True, "after"), (False, "before")):
        world = scenario(
            arrival(0, 1.0), arrival(1, 1.2), settings=Settings(heartbeat_interval_s=8.0, suspect_after_s=99.0)
        )
        simulator = Simulator(world, replies_tell=tells)
        asked = play(simulator, on("hub"))
        told = asked[-1].view.peer(HUB.node_id)
        assert told is not None
        assert ("after" if told.heard_s > 1.0 else "before") == heard


def test_requests_that_wait_for_one_model_run_together_and_each_takes_its_share_of_the_joules() -> None:
    batched = tier(WATCH_TIER, max_items=8, compute_s=0.01)
    profile = watch(batched)
    arrivals = [arrival(number, 1.0 + 0.001 * number, profile, deadline_s=5.0) for number in range(3)]
    simulator = Simulator(scenario(*arrivals, nodes=(node(profile),), links=(), settings=Settings(batch_latency_s=1.0)))
    play(simulator)
    assert [ended.at_s for ended in simulator.costs.ends] == pytest.approx([1.01, 1.025, 1.025])
    joules = [charge.joules for charge in simulator.costs.charges]
    assert joules == pytest.approx([0.001, 0.00075, 0.00075])


def test_there_is_nothing_to_choose_before_somebody_is_asked() -> None:
    with pytest.raises(ValueError, match="next_choice"):
        Simulator(scenario(arrival(0, 1.0))).choose(0)


def test_a_choice_that_is_not_answered_is_asked_again() -> None:
    simulator = Simulator(scenario(arrival(0, 1.0)))
    assert simulator.next_choice() is simulator.next_choice()


def test_a_model_that_does_not_fit_into_its_node_makes_no_world() -> None:
    with pytest.raises(ValueError, match="memory"):
        Simulator(scenario(nodes=(node(WATCH, memory_bytes=10),), links=()))


def test_other_rules_cost_otherwise() -> None:
    world = draw("home", 1)
    costs = set()
    for rule in (cheapest, dearest):
        simulator = Simulator(world)
        play(simulator, rule)
        costs.add(simulator.costs.cost)
    assert len(costs) == 2


def test_stages_run_where_the_plan_says_and_for_what_they_truly_take() -> None:
    profiles = (watch(cut(HUB_TIER)), hub(cut(HUB_TIER)))
    asked = arrival(0, 1.0, profiles[0], plan="watch 0-1, hub 1-2", deadline_s=9.0)
    simulator = Simulator(scenario(asked, nodes=tuple(map(node, profiles)), links=links(*profiles)))
    play(simulator)
    computed = {c.node_id: c.joules for c in simulator.costs.charges if c.use is Use.COMPUTE}
    assert computed == pytest.approx({"watch": 0.1 * 0.2 * 0.008, "hub": 0.1 * 0.8 * 0.008})
    (ended,) = simulator.costs.ends
    ways_s = 2 * 0.005 + (1_000 + RESULT_BYTES) * 8 / 1e7
    assert ended.seconds == pytest.approx(0.008 + ways_s)


def test_the_items_of_a_batch_are_shared_between_nodes_and_answered_once() -> None:
    large = tier(HUB_TIER, compute_s=0.1, max_items=32)
    profiles = (watch(large), hub(large))
    asked = arrival(0, 1.0, profiles[0], batch=16, deadline_s=9.0)
    simulator = Simulator(scenario(asked, nodes=tuple(map(node, profiles)), links=links(*profiles)))
    (choice,) = play(simulator, _shared)
    (shares,) = [candidate.shares for candidate in choice.observation.candidates if candidate.shares]
    assert [(ended.request, ended.tier) for ended in simulator.costs.ends] == [(0, HUB_TIER)]
    computed = {c.node_id: c.joules for c in simulator.costs.charges if c.use is Use.COMPUTE}
    assert computed == pytest.approx({s.node_id: 0.1 * 0.1 * (1 + 0.5 * (s.items - 1)) for s in shares})
    assert sum(share.items for share in shares) == 16


def _shared(observation: Observation) -> int:
    """The candidate that shares a batch."""
    return next(index for index, candidate in enumerate(observation.candidates) if candidate.shares)


def test_an_emergency_races_on_two_nodes_and_both_pay() -> None:
    profiles = (watch(), hub(name="hub-1"), hub(name="hub-2"))
    asked = arrival(0, 1.0, profiles[0], priority=Priority.EMERGENCY)
    simulator = Simulator(scenario(asked, nodes=tuple(map(node, profiles)), links=links(*profiles)))
    play(simulator)
    assert {c.node_id for c in simulator.costs.charges if c.use is Use.COMPUTE} == {"hub-1", "hub-2"}
    assert [ended.tier for ended in simulator.costs.ends] == [HUB_TIER]
