"""Requests that wait for the same model are run together: whole lists of commands."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core import events
from meshd.core.answer import Answer
from meshd.core.commands import DropStage, Finish, RunBatch, RunStage
from meshd.core.ids import RequestId
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import (
    HUB_TIER,
    PHONE_TIER,
    arrived,
    failed,
    finished,
    hub,
    phone,
    request,
    scheduler,
    step,
    tier,
)
from tests.core.mesh_in_memory import World

MODEL = tier(HUB_TIER, max_items=64)
OWN = hub(MODEL)
A, B, C = RequestId("a"), RequestId("b"), RequestId("c")


def waiting() -> Scheduler:
    """One request runs, and three wait for the same model."""
    made = scheduler(OWN, settings=Settings(batch_latency_s=0.1))
    for name in ("runs", A, B, C):
        step(made, arrived(name))
    return made


def together() -> Scheduler:
    """Three requests run as one batch, under attempts 2 to 4."""
    made = waiting()
    told = step(made, finished(1, None, "runs"), 0.01)
    assert told[1:] == [RunBatch(members=((A, 2), (B, 3), (C, 4)), tier=MODEL)]
    return made


def test_the_first_request_waits_for_nobody() -> None:
    assert step(scheduler(OWN), arrived(A)) == [RunStage(request_id=A, attempt=1, tier=MODEL)]


def test_each_member_has_its_own_answer_with_the_seconds_of_the_whole_run() -> None:
    made = together()
    for number, name in ((2, A), (3, B), (4, C)):
        (end,) = step(made, finished(number, None, name, compute_s=0.012), 0.03)
        assert isinstance(end, Finish)
        assert isinstance(end.outcome, Answer)
        assert (end.request_id, end.outcome.timings.compute_s) == (name, 0.012)
    assert made.telemetry().running == 0


def test_a_batch_teaches_what_one_item_took_once() -> None:
    made = together()
    learned = made.view.own.learned
    before = learned[MODEL.artifact]
    for number, name in ((2, A), (3, B), (4, C)):
        step(made, finished(number, None, name, compute_s=0.012, items=3), 0.03)
    assert learned[MODEL.artifact] == before.updated(0.012 / 3, 0.03)


def test_a_batch_that_fell_apart_teaches_what_a_run_of_its_own_took() -> None:
    """Inputs of different lengths start together and cannot run as one."""
    made = together()
    before = made.view.own.learned[MODEL.artifact]
    for number, name in ((2, A), (3, B), (4, C)):
        step(made, finished(number, None, name, compute_s=0.010), 0.03)
    assert made.view.own.learned[MODEL.artifact] == before.updated(0.010, 0.03)


def test_a_batch_whose_last_member_was_withdrawn_teaches_all_the_same() -> None:
    made = together()
    before = made.view.own.learned[MODEL.artifact]
    step(made, events.RequestCancelled(request_id=C), 0.02)
    for number, name in ((2, A), (3, B), (4, C)):
        step(made, finished(number, None, name, compute_s=0.012, items=3), 0.03)
    assert made.view.own.learned[MODEL.artifact] == before.updated(0.012 / 3, 0.03)


def test_who_asks_a_peer_that_runs_batches_learns_what_one_item_takes_there() -> None:
    phone_tier = tier(PHONE_TIER, compute_s=1.0, score_output=None)
    asker, asked = phone(phone_tier), hub(replace(MODEL, compute_s=0.010))
    world = World(asker, asked, settings=Settings(batch_latency_s=1.0), further_item=1.0, link_s=0.001)
    world.run(1.0)
    for number in range(40):
        world.submit(asker.node_id, request(f"r{number}", min_tier=HUB_TIER, deadline_s=30.0))
    world.run(20.0)
    peer = world.hosts[asker.node_id].scheduler.view.peer(asked.node_id)
    assert peer is not None
    assert peer.item_s(peer.profile.hosted[0]) == pytest.approx(0.010)


def test_one_member_that_fails_or_is_withdrawn_leaves_the_others_alone() -> None:
    made = together()
    told = step(made, events.RequestCancelled(request_id=B), 0.02)
    assert told[0] == DropStage(request_id=B, attempt=3)
    (failure,) = step(made, failed(2, "model_unusable", A), 0.03)
    assert isinstance(failure, Finish)
    assert step(made, finished(3, None, B), 0.03) == []
    (end,) = step(made, finished(4, None, C), 0.03)
    assert isinstance(end, Finish)
    assert isinstance(end.outcome, Answer)
    assert (made.alive_requests, made.telemetry().running) == (0, 0)


def test_a_story_tells_how_many_were_run_together() -> None:
    story = together().explanations.get(B)
    assert story is not None
    assert story.choices[0].together == 3


def test_batches_raise_the_throughput_under_load_and_cost_nobody_his_deadline() -> None:
    """They start small and grow, for what they save is learned from them."""

    def took_s(most: int) -> float:
        world = World(OWN, settings=Settings(max_batch=most), further_item=0.25)
        for number in range(64):
            world.submit(OWN.node_id, replace(request(f"r{number}"), deadline_s=2.0))
        world.run(3.0)
        assert all(isinstance(ended.outcome, Answer) for ended in world.ended)
        return max(ended.at_s for ended in world.ended)

    assert took_s(1) == pytest.approx(64 * MODEL.compute_s)
    assert took_s(16) < 0.7 * took_s(1)
