"""Children of a request: shares of a batch over several nodes, and emergencies that run on two."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from meshd.core import events
from meshd.core.answer import Answer, Failure
from meshd.core.candidate import Observation
from meshd.core.commands import ChoosePlan, Command, Dispatch, DropStage, Finish, Fork, Recall, RunStage
from meshd.core.ids import NodeId, RequestId
from meshd.core.node import HostedTier
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority, Privacy, Request
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import (
    CALM,
    DOUBT,
    HUB_TIER,
    PHONE_TIER,
    UPSTREAM_TIER,
    answer_of,
    answered,
    arrived,
    chosen,
    failed,
    finished,
    hub,
    refused,
    request,
    scheduler,
    step,
    tier,
)
from tests.core.mesh_in_memory import Verdict, World
from tests.core.parts import member

R, FIRST, SECOND = RequestId("r"), RequestId("r/0"), RequestId("r/1")
KITCHEN = NodeId("kitchen")
MODEL = tier(HUB_TIER, compute_s=0.02, max_items=64)


# -- emergencies on two nodes ----------------------------------------------------------------------------------------


def racing(**changes: object) -> Scheduler:
    """An emergency that runs on this hub and on another, under attempt 1; its children under 2 and 3."""
    made = scheduler(hub(), hub(name="hub-2"), settings=Settings(**changes))  # type: ignore[arg-type]
    told = step(made, arrived(priority=Priority.EMERGENCY))
    assert [type(command) for command in told] == [Fork, RunStage, Dispatch]
    return made


def finish_of(told: list[Command], name: RequestId) -> Finish:
    (finish,) = (command for command in told if isinstance(command, Finish) and command.request_id == name)
    return finish


def test_an_emergency_runs_on_two_equally_accurate_nodes_at_once() -> None:
    made = scheduler(hub(), hub(name="hub-2"))
    fork, here, there = step(made, arrived(priority=Priority.EMERGENCY))
    assert fork == Fork(request_id=R, attempt=1, children=(FIRST, SECOND))
    assert here == RunStage(request_id=FIRST, attempt=2, tier=hub().hosted[0])
    assert isinstance(there, Dispatch)
    assert (there.request_id, there.node_id, there.via) == (SECOND, "hub-2", (hub().node_id,))
    assert made.alive_requests == 3


def test_the_first_good_answer_wins_and_the_other_is_called_back() -> None:
    made = racing()
    won, recall, lost, end = step(made, finished(2, None, name=FIRST), 0.01)
    assert recall == Recall(request_id=SECOND, attempt=3, node_id=NodeId("hub-2"))
    assert isinstance(won, Finish)
    assert isinstance(lost, Finish)
    assert isinstance(lost.outcome, Failure)
    assert (won.request_id, lost.request_id, lost.outcome.code) == (FIRST, SECOND, "cancelled")
    assert isinstance(end, Finish)
    assert isinstance(end.outcome, Answer)
    assert (end.request_id, end.attempt, end.child) == (R, 1, FIRST)
    assert [hop.node for hop in end.outcome.route] == ["hub"]
    assert (made.alive_requests, made.view.link_to(NodeId("hub-2")).outstanding) == (0, 0)


def test_the_energy_of_both_is_counted() -> None:
    alone = scheduler(hub(), settings=Settings(hedge_emergencies=False))
    step(alone, arrived(priority=Priority.EMERGENCY))
    one = finish_of(step(alone, finished(1, None)), R).outcome
    both = finish_of(step(racing(), finished(2, None, name=FIRST)), R).outcome
    assert isinstance(one, Answer)
    assert isinstance(both, Answer)
    assert both.energy.joules > 2.0 * one.energy.joules


@pytest.mark.parametrize("event", [failed(2, "execution_failed", FIRST), finished(2, None, FIRST, malformed=True)])
def test_one_that_fails_or_says_nonsense_does_not_win(event: object) -> None:
    made = racing()
    (lost,) = step(made, event)  # type: ignore[arg-type]
    assert isinstance(lost, Finish)
    end = finish_of(step(made, answered(3, hub(name="hub-2"), SECOND)), R)
    assert isinstance(end.outcome, Answer)
    assert end.child == SECOND


def test_two_that_fail_are_followed_by_another_way() -> None:
    made = scheduler(hub(), hub(name="hub-2"), hub(name="hub-3"))
    step(made, arrived(priority=Priority.EMERGENCY))
    step(made, failed(2, "model_unusable", FIRST))
    told = step(made, refused(3, hub(name="hub-2"), "overloaded", SECOND))
    assert isinstance(told[-1], Dispatch)
    assert (told[-1].request_id, told[-1].node_id) == (R, "hub-3")


def test_an_answer_in_doubt_wins_only_if_the_other_says_no_better() -> None:
    made = racing()
    doubtful = replace(answer_of(hub(name="hub-2")), degraded=True)
    reply = replace(answered(3, hub(name="hub-2"), SECOND), answer=doubtful)
    assert [type(command) for command in step(made, reply)] == [Finish]
    end = finish_of(step(made, finished(2, None, name=FIRST)), R)
    assert isinstance(end.outcome, Answer)
    assert (end.child, end.outcome.degraded) == (FIRST, False)


def test_a_withdrawn_emergency_ends_both_of_its_children_before_it() -> None:
    told = step(racing(), events.RequestCancelled(request_id=R))
    assert [(type(command), command.request_id) for command in told] == [  # type: ignore[union-attr]
        (DropStage, FIRST),
        (Finish, FIRST),
        (Recall, SECOND),
        (Finish, SECOND),
        (Finish, R),
    ]


def test_an_owner_may_have_emergencies_run_once() -> None:
    made = scheduler(hub(), hub(name="hub-2"), settings=Settings(hedge_emergencies=False))
    assert [type(command) for command in step(made, arrived(priority=Priority.EMERGENCY))] == [RunStage]


@pytest.mark.parametrize(
    "changes", [{"priority": Priority.NORMAL}, {"priority": Priority.EMERGENCY, "via": (NodeId("watch"),)}]
)
def test_what_is_not_urgent_or_was_delegated_is_not_doubled(changes: dict[str, Any]) -> None:
    made = scheduler(hub(), hub(name="hub-2"))
    assert [type(command) for command in step(made, arrived(**changes))] == [RunStage]


def test_a_fork_that_finds_no_room_for_all_does_not_happen() -> None:
    made = scheduler(hub(), hub(name="hub-2"), settings=Settings(max_requests=2))
    assert [type(command) for command in step(made, arrived(priority=Priority.EMERGENCY))] == [RunStage]


def test_a_request_that_has_the_id_of_a_child_keeps_the_parent_whole() -> None:
    made = scheduler(hub(), hub(name="hub-2"))
    step(made, arrived("r/1"))
    told = step(made, arrived(priority=Priority.EMERGENCY))
    assert Fork not in [type(command) for command in told]


def test_children_have_their_stories_below_their_parents() -> None:
    made = racing()
    step(made, finished(2, None, name=FIRST))
    story = made.explanations.get(R)
    assert story is not None
    assert [(child.request.request_id, child.outcome is not None) for child in story.children] == [
        (FIRST, True),
        (SECOND, True),
    ]
    assert made.explanations.get(FIRST) is None


# -- shares of a batch -----------------------------------------------------------------------------------------------


def share_if_possible(observation: Observation) -> int:
    """A policy that likes shares, the more the better."""
    candidates = observation.candidates
    shared = [index for index, candidate in enumerate(candidates) if candidate.shares and candidate.allowed]
    return max(shared, key=lambda index: len(candidates[index].shares), default=LeastExpectedCost().choose(observation))


def batch(**changes: object) -> Request:
    return request(**{"batch": 16, "input_bytes": 16_000, "deadline_s": 3.0, **changes})  # type: ignore[arg-type]


def household(hosted: HostedTier = MODEL, **changes: object) -> World:
    world = World(
        member("band", hosted),
        member("kitchen", hosted),
        member("cellar", hosted),
        choose=share_if_possible,
        **changes,  # type: ignore[arg-type]
    )
    world.run(1.0)
    return world


def test_a_batch_is_shared_and_answered_by_all_together() -> None:
    world = household()
    world.submit(NodeId("band"), batch())
    world.run(3.0)
    answer = world.answer("r")
    assert {hop.node for hop in answer.route} == {"band", "kitchen", "cellar"}
    assert (answer.escalations, answer.degraded) == (0, False)
    assert answer.timings.total_s < 16 * MODEL.compute_s / 2
    assert answer.timings.compute_s < answer.timings.total_s
    assert len(world.children_ended) == 3


def test_a_share_whose_node_dies_is_run_elsewhere() -> None:
    world = household()
    world.submit(NodeId("band"), batch())
    world.run(0.02)
    world.kill(KITCHEN)
    world.run(3.0)
    assert {hop.node for hop in world.answer("r").route} == {"band", "cellar"}
    assert all(isinstance(ended.outcome, Answer) for ended in world.children_ended)


def test_a_doubt_of_one_share_has_the_whole_batch_looked_at_again() -> None:
    screen = replace(MODEL, score_output="score", escalate_low=0.2, escalate_high=0.8)

    def doubtful(name: RequestId, hosted: HostedTier) -> Verdict:
        if hosted.tier is UPSTREAM_TIER:
            return Verdict(score=None)
        return Verdict(score=DOUBT if name == SECOND else 0.1)

    nodes = (member("band", screen), member("kitchen", screen), member("attic", tier(UPSTREAM_TIER, compute_s=0.1)))
    world = World(*nodes, choose=share_if_possible, opinion=doubtful)
    world.run(1.0)
    world.submit(NodeId("band"), batch(deadline_s=10.0))
    world.run(10.0)
    answer = world.answer("r")
    assert (answer.tier, answer.escalations, answer.degraded) == (UPSTREAM_TIER, 1, False)


def test_a_share_that_nobody_can_run_fails_the_batch_and_ends_the_others() -> None:
    broken = "model_unusable"
    world = household(opinion=lambda name, _tier: Verdict(error=broken if name == SECOND else None))
    world.submit(NodeId("band"), batch())
    world.run(3.0)
    assert world.outcome("r") == Failure(code=broken, message="it broke")
    assert all(host.keeps_nothing for host in world.hosts.values())


def test_a_batch_that_is_late_ends_with_all_its_shares_at_its_deadline() -> None:
    world = household()
    began = world.now
    world.submit(NodeId("band"), batch(deadline_s=0.06))
    world.run(0.059)
    assert world.ended == []
    world.run(1.0)
    assert world.ended[0].at_s == pytest.approx(began + 0.06)
    assert all(ended.at_s <= world.ended[0].at_s for ended in world.children_ended)
    assert all(host.keeps_nothing for host in world.hosts.values())


def test_a_policy_that_shares_is_asked_again_when_the_room_is_gone() -> None:
    nodes = (member("band", MODEL), member("kitchen", MODEL))
    made = scheduler(*nodes, settings=Settings(max_requests=4))
    (asked,) = made.handle(arrived(batch=16, input_bytes=16_000), 0.0)
    assert isinstance(asked, ChoosePlan)
    shared = share_if_possible(asked.observation)
    assert asked.observation.candidates[shared].shares
    for name in "ab":
        made.handle(arrived(name, privacy="device"), 0.0)

    (again, *_) = made.handle(chosen(asked, index=shared), 0.0)
    assert isinstance(again, ChoosePlan)
    assert not any(c.shares and c.allowed for c in again.observation.candidates)


def test_a_share_that_waits_here_is_expected_to_take_what_its_own_items_take() -> None:
    own, peer = member("band", MODEL), member("kitchen", MODEL)
    made = scheduler(own, peer, settings=Settings(max_batch=1))
    step(made, arrived("first", batch=10, privacy=Privacy.DEVICE, deadline_s=60.0))
    step(made, arrived(batch=20, deadline_s=60.0, plan="band x10, kitchen x10"))
    assert made.telemetry().backlog_s == pytest.approx(2 * 10 * MODEL.compute_s)


def test_a_share_that_asks_for_a_larger_tier_is_not_looked_at_alone() -> None:
    """The batch as a whole asks for it: parts from different tiers could not be joined."""
    screen = tier(PHONE_TIER, compute_s=0.05, max_items=64)
    above = tier(HUB_TIER, compute_s=0.06, max_items=64)
    band, kitchen, cellar = member("band", screen), member("kitchen", screen), member("cellar", above)

    def opinion(name: RequestId, run: HostedTier) -> Verdict:
        return Verdict(score=DOUBT if name == SECOND else CALM) if run.tier is PHONE_TIER else Verdict(score=None)

    world = World(band, kitchen, cellar, opinion=opinion, link_s=0.001, further_item=1.0)
    world.run(1.0)
    world.submit(band.node_id, request("r", batch=16, input_bytes=16_000, deadline_s=60.0))
    world.run(30.0)
    sent = [(sender, told.request_id, told.start_tier, told.may_climb) for sender, told, _ in world.dispatched]
    assert sent == [("band", SECOND, PHONE_TIER, False), ("band", R, HUB_TIER, True)]
    assert [(hop.node, hop.tier) for hop in world.answer("r").route] == [
        ("band", PHONE_TIER),
        ("kitchen", PHONE_TIER),
        ("cellar", HUB_TIER),
    ]


def test_who_is_to_answer_with_one_tier_runs_no_other() -> None:
    screen, above = tier(PHONE_TIER), tier(HUB_TIER)
    made = scheduler(member("kitchen", screen, above))
    told = step(made, arrived(via=(NodeId("band"),), start_tier=PHONE_TIER, may_climb=False))
    assert told == [RunStage(request_id=R, attempt=1, tier=screen)]
    end = finish_of(step(made, finished(1, DOUBT)), R)
    assert isinstance(end.outcome, Answer)
    assert (end.outcome.tier, end.outcome.degraded) == (PHONE_TIER, True)


def test_a_story_tells_that_a_batch_is_shared_once_only() -> None:
    screen = replace(MODEL, score_output="score", escalate_low=0.2, escalate_high=0.8)
    above = tier(UPSTREAM_TIER, compute_s=0.1, max_items=64)
    band, *others = (member(name, screen, above) for name in ("band", "kitchen"))
    world = World(band, *others, choose=share_if_possible, opinion=lambda _name, _tier: Verdict(score=DOUBT))
    world.run(1.0)
    world.submit(band.node_id, batch(deadline_s=60.0))
    world.run(10.0)
    story = world.hosts[band.node_id].scheduler.explanations.get(R)
    assert story is not None
    shared = [candidate for candidate in story.choices[1].observation.candidates if candidate.shares]
    assert {candidate.reason.sentence for candidate in shared if candidate.reason} == {
        "it has run in parts before, and that is done once at most"
    }
