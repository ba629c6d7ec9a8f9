"""What a node does with the rest of a plan that began elsewhere: whole lists of commands."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from meshd.core import events
from meshd.core.answer import Answer, Failure
from meshd.core.commands import Command, Dispatch, Finish, Recall, RunStage
from meshd.core.handover import predicted_here
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.node import NodeProfile, Way
from meshd.core.plan import Leg, Partial
from meshd.core.request import Privacy
from meshd.core.scheduler import Scheduler
from tests.core.builders import (
    DOUBT,
    PHONE_TIER,
    UPSTREAM_TIER,
    answered,
    arrived,
    finished,
    refused,
    scheduler,
    step,
    tier,
    warm,
)
from tests.core.parts import closed, cut_tier, member, mesh

R = RequestId("r")
CUT = cut_tier([0.004, 0.004, 0.004], [2_000, 2_000])
SCREEN = replace(CUT, score_output="score", escalate_low=0.2, escalate_high=0.8)
KITCHEN, CELLAR = member("kitchen", CUT), member("cellar", CUT)


def leg(node: NodeProfile, first: int, last: int) -> Leg:
    return Leg(node_id=node.node_id, node=node.name, first=first, last=last)


def handed(*legs: Leg, **changes: Any) -> events.RequestArrived:
    """The rest of a plan, as the band hands it over."""
    artifact = changes.pop("artifact", CUT.artifact)
    plain: dict[str, Any] = {"via": (NodeId("band"),), "start_tier": CUT.tier, "input_bytes": 2_000}
    return arrived(partial=Partial(artifact=artifact, legs=legs), **plain | changes)


def to_the_cellar() -> Scheduler:
    """The kitchen has run stage 1 of the rest and handed stage 2 to the cellar."""
    made = scheduler(KITCHEN, CELLAR)
    step(made, handed(leg(KITCHEN, 1, 2), leg(CELLAR, 2, 3)))
    step(made, finished(1, None, out_bytes=2_000))
    return made


@pytest.mark.parametrize(("codec", "ratio"), [("raw", 1.0), ("fp16", 0.02), ("of another build", 1.0)])
def test_what_is_expected_of_the_rest_is_expected_of_the_codec_that_the_plan_says(codec: str, ratio: float) -> None:
    half = cut_tier((0.001,) * 3, (2_000_000,) * 2, (Way(codec="fp16", ratio=0.02),))
    view = mesh(*(member(name, half, codecs=("fp16",)) for name in ("kitchen", "cellar")), bps=2e7)
    legs = leg(KITCHEN, 1, 2), replace(leg(CELLAR, 2, 3), codec=codec)
    _, there = predicted_here(legs, half, view, items=1, n_bytes=2_000_000)
    assert there.transfer_s == pytest.approx(0.001 + ratio * 2_000_000 * 8 / 2e7)


def outcome(told: list[Command]) -> Answer | Failure:
    (finish,) = told
    assert isinstance(finish, Finish)
    return finish.outcome


def test_its_leg_is_run_at_once_on_what_was_sent() -> None:
    made = scheduler(KITCHEN, CELLAR)
    told = made.handle(handed(leg(KITCHEN, 1, 3)), 0.0)
    assert told == [RunStage(request_id=R, attempt=1, tier=CUT, first=1, last=3)]
    answer = outcome(step(made, finished(1, None), 0.01))
    assert isinstance(answer, Answer)
    assert [(hop.node, hop.stages) for hop in answer.route] == [("kitchen", (1, 3))]


def test_what_is_left_goes_on_under_a_number_of_its_own() -> None:
    made = scheduler(KITCHEN, CELLAR)
    step(made, handed(leg(KITCHEN, 1, 2), leg(CELLAR, 2, 3)))
    (sent,) = step(made, finished(1, None, out_bytes=2_000))
    assert isinstance(sent, Dispatch)
    assert (sent.node_id, sent.attempt, sent.of, sent.via) == ("cellar", 2, 1, ("band", "kitchen"))
    assert sent.partial is not None
    assert sent.partial.artifact == CUT.artifact
    assert [(leg.node_id, leg.first, leg.last) for leg in sent.partial.legs] == [("cellar", 2, 3)]
    (end,) = step(made, answered(2, CELLAR), 0.05)
    assert isinstance(end, Finish)
    assert end.attempt == 2


@pytest.mark.parametrize("code", ["stage_mismatch", "overloaded", "execution_failed", "invalid_input"])
def test_the_rest_is_run_here_when_the_next_node_will_not(code: str) -> None:
    (again,) = step(to_the_cellar(), refused(2, CELLAR, code), 0.01)
    assert again == RunStage(request_id=R, attempt=3, tier=CUT, first=2, last=3, of=1)


def test_the_rest_is_run_here_when_the_next_node_is_a_stranger_to_this_one() -> None:
    made = scheduler(KITCHEN)
    step(made, handed(leg(KITCHEN, 1, 2), leg(CELLAR, 2, 3)))
    told = step(made, finished(1, None, out_bytes=2_000))
    assert told == [RunStage(request_id=R, attempt=2, tier=CUT, first=2, last=3, of=1)]


def test_what_a_manifest_keeps_in_the_household_goes_on_to_no_upstream_however_public_the_request_is() -> None:
    kept = replace(CUT, raw_input_may_leave=False)
    cloud = member("cloud", kept, rank=UPSTREAM_TIER)
    made = scheduler(member("kitchen", kept), cloud)
    step(made, handed(leg(KITCHEN, 1, 2), leg(cloud, 2, 3), privacy=Privacy.PUBLIC))
    told = step(made, finished(1, None, out_bytes=2_000))
    assert told == [RunStage(request_id=R, attempt=2, tier=kept, first=2, last=3, of=1)]


def test_a_head_that_ends_after_the_deadline_sends_nothing_on() -> None:
    made = scheduler(KITCHEN, CELLAR)
    step(made, handed(leg(KITCHEN, 1, 2), leg(CELLAR, 2, 3), deadline_s=0.1))
    late = outcome(step(made, finished(1, None, out_bytes=2_000), 0.11))
    assert isinstance(late, Failure)
    assert late.code == "deadline_exceeded"


def test_who_withdraws_it_withdraws_it_from_the_next_node_too() -> None:
    told = step(to_the_cellar(), events.RequestCancelled(request_id=R))
    assert told[0] == Recall(request_id=R, attempt=2, node_id=CELLAR.node_id)


@pytest.mark.parametrize(
    "wrong",
    [
        handed(leg(KITCHEN, 1, 3), artifact="another"),
        handed(leg(KITCHEN, 0, 3)),
        handed(leg(KITCHEN, 1, 2)),
        handed(leg(CELLAR, 1, 3)),
        handed(leg(KITCHEN, 1, 2), leg(CELLAR, 1, 3)),
        handed(leg(KITCHEN, 1, 9)),
    ],
)
def test_a_rest_that_does_not_fit_is_refused_and_runs_nothing(wrong: events.RequestArrived) -> None:
    refusal = outcome(step(scheduler(KITCHEN, CELLAR), wrong))
    assert isinstance(refusal, Failure)
    assert refusal.code == "stage_mismatch"


def test_what_should_never_have_been_sent_is_refused() -> None:
    told = step(scheduler(member("kitchen", closed(CUT, 1))), handed(leg(KITCHEN, 1, 3)))
    assert outcome(told).code == "refused_by_privacy"  # type: ignore[union-attr]
    told = step(scheduler(KITCHEN), handed(leg(KITCHEN, 1, 3), privacy=Privacy.DEVICE))
    assert outcome(told).code == "refused_by_privacy"  # type: ignore[union-attr]


def test_an_answer_that_asks_for_more_goes_back_degraded_for_only_the_origin_has_the_input() -> None:
    made = scheduler(member("kitchen", SCREEN, tier(UPSTREAM_TIER)))
    step(made, handed(leg(KITCHEN, 1, 3)))
    answer = outcome(step(made, finished(1, DOUBT)))
    assert isinstance(answer, Answer)
    assert (answer.score, answer.degraded) == (DOUBT, True)


def test_a_malformed_end_is_told_as_a_failure() -> None:
    made = scheduler(member("kitchen", SCREEN, tier(UPSTREAM_TIER)))
    step(made, handed(leg(KITCHEN, 1, 3)))
    refusal = outcome(step(made, finished(1, None, malformed=True)))
    assert isinstance(refusal, Failure)
    assert refusal.code == "execution_failed"


def waits_for_the_cellar(made: Scheduler, rest: events.RequestArrived) -> float:
    """Hand a rest over, and return how long the kitchen waits for a cellar that is there and says nothing of it."""
    step(made, rest)
    (sent,) = step(made, finished(1, None, out_bytes=2_000))
    assert isinstance(sent, Dispatch)
    for tenth in range(1, 500):
        now = tenth / 10
        alive = made.handle(events.PeerHeard(node_id=CELLAR.node_id, telemetry=warm(CELLAR)), now)
        if any(isinstance(told, Recall) for told in [*alive, *step(made, events.TimePassed(), now)]):
            return now
    return inf


def test_what_the_sender_says_of_our_own_seconds_is_not_what_is_told_of_our_backlog() -> None:
    made = scheduler(KITCHEN, CELLAR)
    boast = replace(leg(KITCHEN, 1, 2), compute_s=1e9)
    step(made, handed(boast, leg(CELLAR, 2, 3)))
    assert made.telemetry().backlog_s == pytest.approx(CUT.stages[1].compute_s)


def test_nor_does_its_word_make_us_wait_for_the_next_node() -> None:
    boast = replace(leg(CELLAR, 2, 3), compute_s=1e9, transfer_s=1e9)
    rest = handed(leg(KITCHEN, 1, 2), boast, deadline_s=60.0)
    assert waits_for_the_cellar(scheduler(KITCHEN, CELLAR), rest) < 1.0


def test_a_link_is_not_blamed_for_the_seconds_that_the_next_node_computes() -> None:
    slow = cut_tier([0.004, 0.004, 1.0], [2_000, 2_000])
    kitchen, cellar = member("kitchen", slow), member("cellar", slow)
    made = scheduler(kitchen, cellar)
    link = made.view.link_to(cellar.node_id)
    link.measured(2_000, 0.010, 0.0)
    rest = handed(leg(kitchen, 1, 2), leg(cellar, 2, 3), deadline_s=60.0)
    waited_s = waits_for_the_cellar(made, rest)
    assert link.transfer_s(2_000) == pytest.approx(waited_s - 1.0)


def test_a_rest_runs_as_the_tier_and_the_model_that_it_was_handed_over_for() -> None:
    """Tiers and models may share an artifact, and differ in their rules, their privacy and their cuts."""
    as_phone, other = replace(CUT, tier=PHONE_TIER), replace(CUT, model=ModelName("other"))
    made = scheduler(member("kitchen", other, as_phone, CUT))
    (run,) = step(made, handed(leg(KITCHEN, 1, 3)))
    assert isinstance(run, RunStage)
    assert run.tier == CUT


def test_a_rest_for_a_tier_that_is_not_hosted_here_is_refused() -> None:
    refusal = outcome(step(scheduler(KITCHEN), handed(leg(KITCHEN, 1, 3), start_tier=PHONE_TIER)))
    assert isinstance(refusal, Failure)
    assert refusal.code == "stage_mismatch"


def test_a_partner_is_the_host_of_the_same_tier() -> None:
    view = mesh(member("band", CUT), member("kitchen", replace(CUT, tier=PHONE_TIER), CUT))
    assert [hosted.tier for _, hosted in view.hosting.partners_of(CUT).values()] == [CUT.tier]
    assert view.hosting.partners_of(replace(CUT, tier=UPSTREAM_TIER)) == {}
