"""Stories of several nodes: what a user of the mesh sees when devices go, freeze and come back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.answer import Answer, Failure
from meshd.core.ids import NodeId, RequestId
from meshd.core.membership import Standing
from meshd.core.node import DeviceClass, HostedTier
from tests.core.builders import (
    CALM,
    DOUBT,
    ECG,
    HUB_TIER,
    PHONE_TIER,
    WATCH_TIER,
    hub,
    phone,
    request,
    tier,
    watch,
)
from tests.core.mesh_in_memory import Verdict, World

WATCH, PHONE, HUB = watch().node_id, phone().node_id, hub().node_id


def doubtful(_request: RequestId, hosted: HostedTier) -> Verdict:
    """Every tier but the last is in doubt."""
    return Verdict(score=None if hosted.score_output is None else DOUBT)


def asked(world: World, name: str, deadline_s: float = 1.0) -> Answer:
    world.submit(WATCH, request(name, deadline_s=deadline_s))
    world.run(deadline_s)
    return world.answer(name)


def route(answer: Answer) -> list[tuple[str, DeviceClass]]:
    return [(hop.node, hop.tier) for hop in answer.route]


def _stream(world: World, names: list[str]) -> None:
    for name in names:
        world.submit(WATCH, request(name))
        world.run(0.02)


@pytest.fixture
def world() -> World:
    """A watch, a phone and a hub that have met; every request climbs as high as it can."""
    made = World(watch(), phone(), hub(), opinion=doubtful)
    made.run(1.0)
    return made


def test_a_doubt_climbs_from_watch_to_phone_to_hub(world: World) -> None:
    answer = asked(world, "a")
    assert route(answer) == [("watch", WATCH_TIER), ("phone", PHONE_TIER), ("hub", HUB_TIER)]
    assert (answer.tier, answer.escalations, answer.degraded) == (HUB_TIER, 2, False)
    assert answer.timings.compute_s == pytest.approx(0.002 + 0.004 + 0.008)
    assert answer.timings.total_s == pytest.approx(answer.timings.compute_s + answer.timings.transfer_s, abs=0.001)


def test_answers_are_degraded_while_the_hub_is_away_and_stop_being_so_when_it_returns(world: World) -> None:
    returning = world.kill(HUB)
    world.run(1.0)
    away = asked(world, "away")
    assert (away.tier, away.degraded) == (PHONE_TIER, True)

    world.start(returning)
    world.run(1.0)
    back = asked(world, "back")
    assert (back.tier, back.degraded) == (HUB_TIER, False)


def test_a_hub_killed_in_mid_stream_loses_no_request_and_none_is_answered_twice(world: World) -> None:
    names = [f"r{number}" for number in range(40)]
    _stream(world, names[:20])
    returning = world.kill(HUB)
    _stream(world, names[20:30])
    world.start(returning)
    _stream(world, names[30:])
    world.run(2.0)

    assert sorted(ended.request_id for ended in world.ended) == sorted(names)
    assert all(isinstance(ended.outcome, Answer) for ended in world.ended)
    assert {world.answer(name).degraded for name in names[:18]} == {False}
    assert True in {world.answer(name).degraded for name in names[20:30]}


def test_the_phone_killed_in_mid_stream_is_bypassed(world: World) -> None:
    world.submit(WATCH, request("a"))
    world.run(0.01)  # It is on its way to the phone.
    world.kill(PHONE)
    world.run(1.0)
    assert route(world.answer("a")) == [("watch", WATCH_TIER), ("hub", HUB_TIER)]


def test_a_frozen_hub_costs_no_answer_only_its_opinion(world: World) -> None:
    world.stall(HUB)
    answer = asked(world, "a")
    assert (answer.score, answer.degraded) == (DOUBT, True)
    assert answer.timings.total_s < 1.0


def test_a_frozen_hub_does_not_cost_the_phones_answer(world: World) -> None:
    world.stall(HUB)
    answer = asked(world, "a", deadline_s=2.0)
    assert answer.degraded
    assert route(answer) == [("watch", DeviceClass.WATCH), ("phone", DeviceClass.PHONE)]


def test_a_request_that_needs_a_frozen_peer_is_answered_by_another_in_time() -> None:
    second = hub(name="hub-2")
    world = World(watch(), hub(), second)
    world.run(1.0)
    world.stall(HUB)
    world.submit(WATCH, request("a", min_tier=HUB_TIER))
    world.run(1.0)
    assert world.answer("a").route[0].node == "hub-2"


def test_a_node_that_was_frozen_itself_does_not_suspect_its_peers(world: World) -> None:
    world.stall(WATCH)
    world.run(3600.0)
    before = len(world.standings)
    world.resume(WATCH)
    world.run(1.0)
    assert [changed for changed in world.standings[before:] if changed[1] == WATCH] == []
    assert asked(world, "a").degraded is False


def test_a_frozen_peer_is_suspect_then_dead_and_alive_again_when_it_thaws(world: World) -> None:
    world.stall(HUB)
    world.run(15.0)
    world.resume(HUB)
    world.run(2.0)
    seen = [standing for _, by, of, standing in world.standings if (by, of) == (WATCH, HUB)]
    assert seen == [Standing.ALIVE, Standing.SUSPECT, Standing.DEAD, Standing.ALIVE]


def test_a_request_that_kills_its_executors_is_given_up_after_the_second() -> None:
    hubs = [hub(name=f"hub-{number}") for number in range(4)]
    world = World(watch(), *hubs)
    world.run(1.0)
    world.submit(WATCH, request("poison", min_tier=HUB_TIER))
    for _ in range(2):
        victims: list[NodeId] = []
        while not victims:
            world.run(0.001)
            victims = [name for name, host in world.hosts.items() if RequestId("poison") in host.running_requests]
        world.kill(*victims)
    world.run(1.0)
    outcome = world.outcome("poison")
    assert isinstance(outcome, Failure)
    assert outcome.code == "peer_lost"
    assert len(world.hosts) == 3


def test_a_client_that_gives_up_and_asks_again_under_the_same_id_gets_one_answer_for_each(world: World) -> None:
    world.submit(WATCH, request("a"))
    world.run(0.01)
    world.cancel(WATCH, RequestId("a"))
    world.submit(WATCH, request("a"))
    world.run(1.0)
    first, second = (ended.outcome for ended in world.ended)
    assert isinstance(first, Failure)
    assert isinstance(second, Answer)
    assert (first.code, second.tier) == ("cancelled", HUB_TIER)


def test_two_ways_to_ask_the_same_node_are_joined_there() -> None:
    """The watch loses patience with the phone, which has passed the request on, and asks the hub itself."""
    slow = phone(tier(PHONE_TIER, compute_s=0.35))
    world = World(watch(), slow, hub(tier(HUB_TIER, compute_s=0.3)), opinion=doubtful)
    world.run(1.0)
    world.submit(WATCH, request("a", deadline_s=5.0))
    world.run(5.0)
    assert world.answer("a").tier is HUB_TIER


def test_a_calm_stream_stays_on_the_watch() -> None:
    world = World(watch(), phone(), hub(), opinion=lambda _request, _tier: Verdict(score=CALM))
    world.run(1.0)
    for number in range(20):
        world.submit(WATCH, request(f"r{number}"))
        world.run(1.0)
    assert world.dispatched == []
    assert len(world.ended) == 20


def test_an_overloaded_watch_hands_work_to_its_peers(world: World) -> None:
    for number in range(200):
        world.submit(WATCH, request(f"r{number}", deadline_s=0.5, model=ECG))
    world.run(1.0)
    assert len(world.ended) == 200
    assert {sent.start_tier for _, sent, _ in world.dispatched} >= {PHONE_TIER}


def test_a_journal_replays_to_the_same_commands_bit_for_bit(world: World) -> None:
    asked(world, "a")
    returning = world.kill(HUB)
    asked(world, "b")
    world.start(replace(returning, slots=2))
    asked(world, "c")
    replays = list(world.replays())
    assert [(host.profile.node_id, is_same) for host, is_same in replays] == [
        (HUB, True),
        (WATCH, True),
        (PHONE, True),
        (NodeId("hub"), True),
    ]
    assert all(len(host.told) > 3 for host, _ in replays)
