"""One request over several nodes: heads here, tails there, and what happens when a node on the way is lost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core import events
from meshd.core.answer import Answer, Failure
from meshd.core.commands import Finish, RunStage
from meshd.core.ids import NodeId, RequestId
from meshd.core.node import HostedTier, Telemetry
from tests.core.builders import DOUBT, HUB_TIER, UPSTREAM_TIER, arrived, failed, request, scheduler, step, tier
from tests.core.mesh_in_memory import Verdict, World
from tests.core.parts import cut_tier, member, slower

BAND, KITCHEN, CELLAR = NodeId("band"), NodeId("kitchen"), NodeId("cellar")

CUT = cut_tier([0.004, 0.004, 0.004], [2_000, 2_000])
"""The first third shrinks 600 kB to 2 kB: too much to send, so a slow node runs that much itself."""
SLOW = slower(CUT, 10.0)


def mesh(*others: HostedTier, **changes: object) -> World:
    """A slow band with a fast kitchen behind a link of 10 Mbit/s, and a cellar like the kitchen."""
    hosted = others or (CUT,)
    world = World(member("band", SLOW), member("kitchen", *hosted), member("cellar", *hosted), **changes)  # type: ignore[arg-type]
    world.run(3.0)  # Long enough for each to have told what lies between the others.
    return world


def ask(world: World, seconds: float = 1.0, **changes: object) -> None:
    world.submit(BAND, request("r", **{"input_bytes": 600_000, **changes}))
    world.run(seconds)


def route(answer: Answer) -> list[tuple[str, tuple[int, int] | None]]:
    return [(hop.node, hop.stages) for hop in answer.route]


def tail_node(world: World) -> NodeId:
    """Who was given the rest of the plan last."""
    _, sent, _ = world.dispatched[-1]
    assert sent.partial is not None
    return sent.node_id


def test_a_head_runs_here_and_its_tail_on_a_peer() -> None:
    world = mesh()
    ask(world)
    answer = world.answer("r")
    assert route(answer) == [("band", (0, 1)), (answer.route[1].node, (1, 3))]
    assert (answer.escalations, answer.degraded) == (0, False)
    assert answer.timings.compute_s == pytest.approx(0.040 + 0.008)
    assert answer.timings.total_s == pytest.approx(answer.timings.compute_s + answer.timings.transfer_s)
    assert answer.timings.total_s < SLOW.compute_s


def test_the_tail_of_a_dead_peer_goes_on_elsewhere_from_where_the_head_ended() -> None:
    world = mesh()
    ask(world, 0.045)  # The head has run, and its tail is on the way.
    lost = tail_node(world)
    world.kill(lost)
    world.run(1.0)
    answer = world.answer("r")
    assert [stages for _, stages in route(answer)] == [(0, 1), (1, 3)]
    assert answer.route[1].node_id not in (BAND, lost)


def test_the_tail_is_run_here_when_nobody_else_is_left() -> None:
    world = World(member("band", SLOW), member("kitchen", CUT))
    world.run(1.0)
    ask(world, 0.045)
    world.kill(KITCHEN)
    world.run(1.0)
    assert route(world.answer("r")) == [("band", (0, 1)), ("band", (1, 3))]


def test_a_node_that_goes_before_the_head_has_ended_is_not_asked() -> None:
    world = World(member("band", SLOW), member("kitchen", CUT))
    world.run(1.0)
    ask(world, 0.02)
    world.kill(KITCHEN)
    world.run(1.0)
    assert (world.dispatched, route(world.answer("r"))) == ([], [("band", (0, 1)), ("band", (1, 3))])


def test_a_frozen_tail_is_given_up_while_this_node_can_still_run_it_in_time() -> None:
    world = mesh()
    ask(world, 0.045, deadline_s=0.4)
    for node_id in (KITCHEN, CELLAR):
        world.stall(node_id)
    world.run(1.0)
    assert route(world.answer("r")) == [("band", (0, 1)), ("band", (1, 3))]


def test_stages_of_another_artifact_are_refused_and_the_plan_is_another() -> None:
    world = mesh()
    ask(world, 0.045)
    there = tail_node(world)
    other = replace(CUT, artifact="another")
    for node_id in (KITCHEN, CELLAR):
        world.hosts[node_id].scheduler.view.models_changed((other,))
    world.run(1.0)
    assert len(world.dispatched) >= 1
    assert there in (KITCHEN, CELLAR)
    assert route(world.answer("r")) == [("band", (0, 1)), ("band", (1, 3))]


def test_who_withdraws_a_request_withdraws_it_along_the_legs() -> None:
    world = mesh()
    ask(world, 0.045)
    there = tail_node(world)
    world.cancel(BAND, RequestId("r"))
    world.run(0.1)
    assert world.hosts[there].scheduler.alive_requests == 0
    assert world.outcome("r") == Failure(code="cancelled", message="the asker withdrew the request")


def test_a_tail_that_asks_for_more_escalates_from_here_and_shuns_nobody() -> None:
    """The kitchen runs the tail of the smaller tier, and then the whole of the larger one."""
    screen = replace(CUT, score_output="score", escalate_low=0.2, escalate_high=0.8)
    slow, large = slower(screen, 10.0), tier(UPSTREAM_TIER)

    def doubtful(_request: RequestId, hosted: HostedTier) -> Verdict:
        return Verdict(score=DOUBT if hosted.tier is HUB_TIER else None)

    world = World(member("band", slow), member("kitchen", screen, large), opinion=doubtful)
    world.run(1.0)
    ask(world, 3.0, deadline_s=3.0)
    answer = world.answer("r")
    assert [(hop.node, hop.tier, hop.stages) for hop in answer.route] == [
        ("band", HUB_TIER, (0, 1)),
        ("kitchen", HUB_TIER, (1, 3)),
        ("kitchen", UPSTREAM_TIER, None),
    ]
    assert (answer.degraded, answer.escalations) == (False, 1)


def test_a_chain_over_three_nodes_passes_the_rest_on() -> None:
    """Forced by the plan that is named: the policy would not choose it."""
    world = mesh()
    named = "band 0-1, kitchen 1-2, cellar 2-3"
    ask(world, plan=named)
    assert route(world.answer("r")) == [("band", (0, 1)), ("kitchen", (1, 2)), ("cellar", (2, 3))]
    assert [len(sent.via) for _, sent, _ in world.dispatched] == [1, 2]


def test_a_middle_node_that_loses_the_last_one_runs_the_rest_itself() -> None:
    world = mesh()
    ask(world, 0.048, plan="band 0-1, kitchen 1-2, cellar 2-3")
    world.kill(CELLAR)
    world.run(1.0)
    assert route(world.answer("r")) == [("band", (0, 1)), ("kitchen", (1, 2)), ("kitchen", (2, 3))]


def test_a_result_after_the_deadline_changes_nothing() -> None:
    world = mesh()
    ask(world, 0.045, deadline_s=0.06)
    world.stall(tail_node(world))
    world.run(0.1)
    assert world.outcome("r").code == "deadline_exceeded"  # type: ignore[union-attr]
    for node_id in (KITCHEN, CELLAR):
        if world.hosts[node_id].is_stalled:
            world.resume(node_id)
    world.run(1.0)
    assert len(world.ended) == 1
    assert all(host.keeps_nothing for host in world.hosts.values())


def test_the_items_of_a_stream_are_pipelined() -> None:
    """While one item's tail runs there, the head of the next one runs here."""
    half = cut_tier([0.020, 0.020], [2_000])
    world = World(member("band", half), member("kitchen", half), link_s=0.0005)
    world.run(1.0)
    began = world.now
    for number in range(40):
        world.submit(BAND, request(f"r{number}", deadline_s=10.0, input_bytes=600_000, plan="band 0-1, kitchen 1-2"))
    world.run(10.0)
    took_s = max(ended.at_s for ended in world.ended) - began
    assert {route(world.answer(f"r{number}"))[1] for number in range(40)} == {("kitchen", (1, 2))}
    assert 40 * half.compute_s / took_s > 1.7


def test_a_slot_is_expected_to_be_held_for_what_runs_here_and_not_for_the_load_of_the_next_node() -> None:
    made = scheduler(member("band", SLOW))
    made.handle(events.PeerConnected(profile=member("kitchen", CUT), telemetry=Telemetry(warm=())), 0.0)
    step(made, arrived(deadline_s=30.0, input_bytes=600_000, plan="band 0-1, kitchen 1-3"))
    assert made.telemetry().backlog_s == pytest.approx(SLOW.stages[0].compute_s)


def test_a_head_that_fails_leaves_the_whole_model_here_as_a_way() -> None:
    """They are files of their own: one may be missing, or too large, where the other is not."""
    own, peer = member("band", SLOW), member("kitchen", CUT)
    made = scheduler(own, peer)
    made.view.link_to(peer.node_id).byte_s = 8.0 / 1e6
    (head,) = step(made, arrived(input_bytes=600_000, deadline_s=30.0))
    assert isinstance(head, RunStage)
    assert head.last == 1
    step(made, events.PeerDisconnected(node_id=peer.node_id, left=False, reason="gone"))
    (again,) = step(made, failed(head.attempt, "execution_failed"))
    assert isinstance(again, RunStage)
    assert (again.first, again.last) == (0, None)
    (end,) = step(made, failed(again.attempt, "execution_failed"))
    assert isinstance(end, Finish)
