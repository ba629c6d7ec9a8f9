"""What devices and links are beside their schedulers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from policies.scenario import Bandwidth, Happening, Kind, Thermal
from policies.simulator import Simulator, Use
from policies.simulator.memory import Memory
from policies.simulator.warmth import Warmth
from tests.core.builders import HUB_TIER, PHONE_TIER, WATCH_TIER, tier, watch
from tests.policies.simulator.playing import on, play
from tests.policies.simulator.worlds import RESULT_BYTES, TRIO, arrival, links, node, scenario

WATCH, PHONE, HUB = TRIO
WAY_S = 2 * 0.005 + (10_000 + RESULT_BYTES) * 8 / 1e7
"""There and back, with the default input and answer."""


# -- memory ----------------------------------------------------------------------------------------------------------


def test_a_cold_model_is_loaded_once_and_whoever_comes_meanwhile_waits_for_the_rest() -> None:
    cold = node(watch(slots=2), warm=())
    asking = [arrival(0, 1.0), arrival(1, 1.02), arrival(2, 3.0)]
    simulator = Simulator(scenario(*asking, nodes=(cold,), links=()))
    play(simulator)
    assert [ended.at_s for ended in simulator.costs.ends] == pytest.approx([1.052, 1.052, 3.002])
    assert simulator.costs.joules(WATCH.node_id)[Use.LOAD] == pytest.approx(0.1 * (0.05 + 0.03))


def test_what_takes_little_to_load_for_its_size_makes_room_and_what_is_used_no_more_goes_in_the_end() -> None:
    small = node(watch(tier(WATCH_TIER), tier(PHONE_TIER), tier(HUB_TIER)), memory_bytes=2_500_000, warm=())
    dear, first, last = replace(small.hosted[0], load_s=0.5), *small.hosted[1:]
    memory = Memory(replace(small, hosted=(dear, first, last)), 0.0)
    used = ((dear, 0.0), (first, 10.0), (last, 20.0))
    assert [memory.use(hosting, now, load_s=hosting.load_s) for hosting, now in used] == [0.5, 0.05, 0.05]
    assert memory.warm(30.0) == ("artifact-hub", "artifact-watch")
    for number in range(3, 30):  # What is used no more goes in the end.
        hosting = (first, last)[number % 2]
        memory.use(hosting, 10.0 * number, load_s=0.05)
    assert memory.warm(400.0) == ("artifact-hub", "artifact-phone")


def test_what_is_warm_is_told_with_the_next_sample_and_not_before() -> None:
    cold = node(WATCH, warm=())
    asking = [arrival(0, 1.0), arrival(1, 4.0)]
    asked = play(Simulator(scenario(*asking, nodes=(cold, node(PHONE), node(HUB)))), on("watch"))
    loads_s = [
        choice.observation.candidates[0].prediction.load_s for choice in asked if choice.observation.above is None
    ]
    assert loads_s == [0.05, 0.0]


# -- handling --------------------------------------------------------------------------------------------------------


def test_what_comes_is_read_one_after_the_other_and_takes_longer_at_a_node_that_rests() -> None:
    busy = node(watch(slots=4), handling_s=0.01, handling_byte_s=1e-6, waking_s=0.03)
    asking = [arrival(number, at_s) for number, at_s in enumerate((1.0, 1.0, 1.002, 3.0))]
    simulator = Simulator(scenario(*asking, nodes=(busy,), links=()))
    play(simulator)
    read_s = 0.01 + 10_000 * 1e-6
    ends_s = [1.03 + read_s, 1.03 + 2 * read_s, 1.03 + 3 * read_s, 3.03 + read_s]
    assert [ended.at_s for ended in simulator.costs.ends] == pytest.approx([end_s + 0.002 for end_s in ends_s])


def test_a_peer_reads_what_it_is_sent_as_well() -> None:
    nodes = (node(WATCH, handling_s=0.01), node(PHONE, handling_s=0.02), node(HUB))
    simulator = Simulator(scenario(arrival(0, 1.0), nodes=nodes))
    play(simulator, on("phone"))
    (ended,) = simulator.costs.ends
    assert ended.seconds == pytest.approx(0.01 + 0.02 + WAY_S + PHONE.hosted[0].compute_s)


def test_a_node_that_dies_while_it_reads_leaves_its_client_without_an_answer() -> None:
    nodes = (node(WATCH, handling_s=0.5),)
    dies = Happening(at_s=1.2, kind=Kind.DIES, node_id=WATCH.node_id)
    simulator = Simulator(scenario(arrival(0, 1.0), nodes=nodes, links=(), happenings=(dies,)))
    play(simulator)
    assert [(ended.at_s, ended.is_missed) for ended in simulator.costs.ends] == [(1.2, True)]


def test_a_tier_may_have_a_price_of_its_own_for_a_further_item() -> None:
    plain = node(WATCH)
    own = replace(plain, hosted=(replace(plain.hosted[0], further_item=0.25),))
    seconds = []
    for watch_node in (plain, own):
        simulator = Simulator(scenario(arrival(0, 1.0, batch=3), nodes=(watch_node,), links=()))
        play(simulator)
        seconds += [ended.seconds for ended in simulator.costs.ends]
    assert seconds == pytest.approx([0.002 * 2.0, 0.002 * 1.5])


# -- warmth ----------------------------------------------------------------------------------------------------------


def test_a_device_that_works_throttles_and_recovers_once_it_has_rested() -> None:
    warmth = Warmth(Thermal(time_constant_s=10.0, throttles_at=0.6, recovers_at=0.3, slowdown=2.0), 0.0)
    warmth.pass_time(0.0, busy=1.0)
    slowdowns = []
    for now, busy in ((9.0, 1.0), (9.5, 0.0), (14.0, 0.0), (18.0, 0.0)):
        warmth.pass_time(now, busy)
        slowdowns.append(warmth.slowdown)
    # 1 - exp(-0.9) = 0.593 is below the bound and 1 - exp(-0.95) = 0.613 above it; 0.613 exp(-0.45) = 0.39 is too warm.
    assert slowdowns == [1.0, 2.0, 2.0, 1.0]


def test_a_throttled_device_takes_longer_and_more_joules() -> None:
    hot = Thermal(time_constant_s=1e6, throttles_at=0.6, recovers_at=0.3, slowdown=3.0, heat=0.9)
    simulator = Simulator(scenario(arrival(0, 1.0), nodes=(node(WATCH, thermal=hot),), links=()))
    play(simulator)
    assert [ended.seconds for ended in simulator.costs.ends] == pytest.approx([0.006])
    assert [charge.joules for charge in simulator.costs.charges] == pytest.approx([0.0006])


# -- links -----------------------------------------------------------------------------------------------------------


def test_bytes_of_two_requests_pass_a_link_one_after_the_other() -> None:
    asking = [arrival(0, 1.0), arrival(1, 1.0)]
    simulator = Simulator(scenario(*asking, nodes=(node(WATCH), node(replace(HUB, slots=2)))))
    play(simulator, on("hub"))
    first, second = (ended.seconds for ended in simulator.costs.ends)
    assert first == pytest.approx(WAY_S + 0.008)
    assert second - first == pytest.approx(10_000 * 8 / 1e7)


def test_what_is_under_way_waits_while_a_link_is_lost() -> None:
    lost = Bandwidth.of([0.0, 1.004, 1.5], [1e7, 0.0, 1e7])
    world = scenario(arrival(0, 1.0, deadline_s=3.0), nodes=(node(WATCH), node(HUB)))
    simulator = Simulator(replace(world, links=links(WATCH, HUB, bandwidth=lost)))
    asked = []
    while (choice := simulator.next_choice()) is not None:
        asked.append(choice)
        simulator.choose(on("hub")(choice.observation))
    assert asked[0].now == 1.0
    (ended,) = simulator.costs.ends
    assert ended.at_s > 1.25  # Patience ends before the link is back: the request is tried here as well.


def test_each_message_is_late_by_its_own_luck_and_none_overtakes_another() -> None:
    jittery = replace(
        scenario(*(arrival(number, 1.0 + 0.001 * number) for number in range(8))), nodes=(node(WATCH), node(HUB))
    )
    jittery = replace(jittery, links=links(WATCH, HUB, jitter=1.0))
    runs = []
    for _ in range(2):
        simulator = Simulator(jittery)
        play(simulator, on("hub"))
        runs.append(simulator.costs.since())
    assert runs[0] == runs[1]


# -- what befalls nodes ----------------------------------------------------------------------------------------------


def test_a_node_that_leaves_answers_what_it_has_and_takes_nothing_new() -> None:
    leaves = Happening(at_s=1.015, kind=Kind.LEAVES, node_id=HUB.node_id)
    joins = Happening(at_s=3.0, kind=Kind.JOINS, node_id=HUB.node_id)
    asking = [arrival(0, 1.0), arrival(1, 2.0), arrival(2, 2.0, HUB), arrival(3, 4.0)]
    simulator = Simulator(scenario(*asking, happenings=(leaves, joins)))
    play(simulator, on("hub"))
    tiers = {ended.request: ended.tier for ended in simulator.costs.ends}
    assert tiers == {0: HUB_TIER, 1: WATCH_TIER, 3: HUB_TIER}


def test_what_a_node_that_dies_had_is_done_elsewhere() -> None:
    dies = Happening(at_s=1.012, kind=Kind.DIES, node_id=HUB.node_id)
    simulator = Simulator(scenario(arrival(0, 1.0), happenings=(dies,)))
    play(simulator, on("hub"))
    (ended,) = simulator.costs.ends
    assert (ended.is_missed, ended.tier) == (False, WATCH_TIER)


def test_what_parts_two_nodes_ends_what_is_under_way_between_them_until_they_meet_again() -> None:
    befalls = (
        Happening(at_s=1.002, kind=Kind.PARTS, node_id=WATCH.node_id, peer_id=HUB.node_id),
        Happening(at_s=3.0, kind=Kind.MEETS, node_id=WATCH.node_id, peer_id=HUB.node_id),
    )
    simulator = Simulator(scenario(arrival(0, 1.0), arrival(1, 4.0), happenings=befalls))
    play(simulator, on("hub"))
    assert [ended.tier for ended in simulator.costs.ends] == [WATCH_TIER, HUB_TIER]


def test_a_stalled_node_finds_all_that_was_sent_to_it_when_it_resumes() -> None:
    befalls = (
        Happening(at_s=1.001, kind=Kind.STALLS, node_id=HUB.node_id),
        Happening(at_s=1.101, kind=Kind.RESUMES, node_id=HUB.node_id),
    )
    simulator = Simulator(scenario(arrival(0, 1.0), happenings=befalls))
    play(simulator, on("hub"))
    (ended,) = simulator.costs.ends
    assert ended.tier is HUB_TIER
    assert ended.at_s == pytest.approx(1.101 + 0.008 + 0.005 + RESULT_BYTES * 8 / 1e7)


def test_clients_of_a_node_that_is_away_or_stalled_do_not_ask() -> None:
    away = node(PHONE, is_present=False)
    stalls = Happening(at_s=0.5, kind=Kind.STALLS, node_id=HUB.node_id)
    asking = [arrival(0, 1.0, PHONE), arrival(1, 1.0, HUB), arrival(2, 1.0, WATCH)]
    simulator = Simulator(scenario(*asking, nodes=(node(WATCH), away, node(HUB)), happenings=(stalls,)))
    play(simulator)
    assert [ended.request for ended in simulator.costs.ends] == [2]


def test_a_node_that_is_slowed_takes_as_many_times_as_long_until_it_is_said_otherwise() -> None:
    befalls = tuple(
        Happening(at_s=at_s, kind=Kind.SLOWS, node_id=WATCH.node_id, factor=factor)
        for at_s, factor in ((0.5, 4.0), (2.5, 1.0))
    )
    asking = [arrival(0, 1.0), arrival(1, 3.0)]
    simulator = Simulator(scenario(*asking, nodes=(node(WATCH),), links=(), happenings=befalls))
    play(simulator)
    assert [ended.seconds for ended in simulator.costs.ends] == pytest.approx([0.008, 0.002])
