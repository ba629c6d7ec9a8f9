"""One request's way: whole lists of commands for every event that can happen to it."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from msgspec.structs import replace

from meshd.core import events
from meshd.core.answer import Answer, Energy, Failure, Hop, Timings
from meshd.core.commands import ChoosePlan, Command, Dispatch, DropStage, Finish, Recall, RunStage
from meshd.core.ids import RequestId
from meshd.core.node import NodeProfile
from meshd.core.request import Priority
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import (
    ALARM,
    CALM,
    DOUBT,
    ECG,
    HUB_TIER,
    PHONE_TIER,
    WATCH_TIER,
    answered,
    arrived,
    chosen,
    failed,
    finished,
    hub,
    met,
    phone,
    refused,
    scheduler,
    step,
    tier,
    watch,
)

R = RequestId("r")
CANCEL = events.RequestCancelled(request_id=R)
TIME = events.TimePassed()
RUN_JOULES = {WATCH_TIER: 1e-4, PHONE_TIER: 4e-4, HUB_TIER: 16e-4}
SENDING_JOULES = 1e-3 + 1e-3


def about(figure: float) -> Any:
    """A float but for its last digits, wherever a float is asked for."""
    return pytest.approx(figure)


def run(profile: NodeProfile, attempt: int = 1, position: int = 0) -> RunStage:
    return RunStage(request_id=R, attempt=attempt, tier=profile.hosted[position])


def out(peer: NodeProfile, attempt: int, deadline_s: float, own: NodeProfile | None = None) -> Dispatch:
    return Dispatch(
        request_id=R,
        attempt=attempt,
        node_id=peer.node_id,
        start_tier=peer.hosted[-1].tier,
        deadline_s=about(deadline_s),
        via=((own or watch()).node_id,),
    )


def recall(peer: NodeProfile, attempt: int = 1) -> Recall:
    return Recall(request_id=R, attempt=attempt, node_id=peer.node_id)


def fails(code: str, message: str) -> Finish:
    return Finish(request_id=R, outcome=Failure(code=code, message=message), attempt=None)


def hop(profile: NodeProfile, score: float | None = None, compute_s: float = 0.002, position: int = 0) -> Hop:
    hosted = profile.hosted[position]
    return Hop(
        node_id=profile.node_id,
        node=profile.name,
        tier=hosted.tier,
        variant=hosted.variant,
        compute_s=compute_s,
        score=score,
        anomalous=None if score is None else score >= DOUBT,
    )


def answer(route: tuple[Hop, ...], *, joules: float, timings: Timings, degraded: bool = False) -> Answer:
    last = route[-1]
    return Answer(
        model=ECG,
        version="1",
        tier=last.tier,
        variant=last.variant,
        score=last.score,
        anomalous=last.anomalous,
        confidence=None if last.score is None else max(last.score, 1 - last.score),
        degraded=degraded,
        escalations=len(route) - 1,
        route=route,
        timings=timings,
        energy=Energy(joules=about(joules)),
    )


def ended(told: list[Command]) -> Finish:
    """The only command of a list, which must be the end."""
    (finish,) = told
    assert isinstance(finish, Finish)
    return finish


def started(*peers: NodeProfile, own: NodeProfile | None = None, **asked: Any) -> Scheduler:
    """A scheduler with one request under way."""
    made = scheduler(own or watch(), *peers)
    step(made, arrived(**asked))
    return made


# -- plans -----------------------------------------------------------------------------------------------------------


def test_a_request_is_offered_to_the_policy_and_run_as_it_says() -> None:
    made = scheduler(watch(), hub())
    (asked,) = made.handle(arrived(), 0.0)
    assert isinstance(asked, ChoosePlan)
    assert (asked.observation.request_id, asked.observation.decision, asked.observation.remaining_s) == (R, 1, 1.0)

    assert made.handle(chosen(asked, index=1), 0.0) == [out(hub(), 1, 1.0 - 0.02 - 0.028)]


@pytest.mark.parametrize("index", [-1, 2, 99])
def test_an_index_from_nowhere_falls_back_to_the_heuristic(index: int) -> None:
    made = scheduler(watch(), hub())
    (asked,) = made.handle(arrived(), 0.0)
    assert isinstance(asked, ChoosePlan)
    assert made.handle(chosen(asked, index=index), 0.0) == [run(watch())]


def test_a_policy_that_says_nothing_is_passed_over() -> None:
    made = scheduler(watch(), hub())
    made.handle(arrived(), 0.0)

    assert made.handle(TIME, 0.049) == []
    assert made.handle(TIME, 0.05) == [run(watch())]


def test_a_late_plan_and_a_plan_for_an_older_decision_change_nothing() -> None:
    made = scheduler(watch(), hub(), hub(name="hub-2"))
    (asked,) = made.handle(arrived(), 0.0)
    assert isinstance(asked, ChoosePlan)
    made.handle(TIME, 0.05)
    assert made.handle(chosen(asked, index=1), 0.06) == []

    (again,) = made.handle(finished(1, DOUBT), 0.07)
    assert isinstance(again, ChoosePlan)
    assert again.observation.decision == 2
    assert made.handle(chosen(asked, index=1), 0.07) == []


def test_a_plan_that_comes_after_the_deadline_starts_nothing() -> None:
    made = scheduler(watch(), hub())
    (asked,) = made.handle(arrived(deadline_s=0.01), 0.0)
    assert isinstance(asked, ChoosePlan)
    late = made.handle(chosen(asked, index=1), 0.02)
    assert late == [fails("deadline_exceeded", "no answer within 0.01 s")]


# -- answers and escalations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [CALM, ALARM])
def test_an_answer_without_doubt_is_the_end(score: float) -> None:
    made = started(hub())
    told = step(made, finished(1, score), 0.003)
    expected = answer(
        (hop(watch(), score),),
        joules=RUN_JOULES[WATCH_TIER],
        timings=Timings(queue_s=0.0, compute_s=0.002, transfer_s=0.0, total_s=0.003),
    )
    assert told == [Finish(request_id=R, outcome=expected, attempt=1)]


def test_a_doubt_goes_to_a_larger_tier_and_its_answer_tells_the_whole_story() -> None:
    made = started(hub())
    assert step(made, finished(1, DOUBT), 0.003) == [out(hub(), 2, 0.997 - 0.02 - 0.028)]

    told = step(made, answered(2, hub()), 0.051)
    expected = answer(
        (hop(watch(), DOUBT), replace(hop(hub(), None, 0.008), transfer_s=about(0.04))),
        joules=RUN_JOULES[WATCH_TIER] + SENDING_JOULES + 0.001,
        timings=Timings(queue_s=0.0, compute_s=about(0.010), transfer_s=about(0.04), total_s=0.051),
    )
    assert told == [Finish(request_id=R, outcome=expected, attempt=2)]


def test_a_doubt_that_no_larger_tier_can_look_at_is_answered_as_degraded() -> None:
    told = step(started(), finished(1, DOUBT), 0.003)
    expected = answer(
        (hop(watch(), DOUBT),),
        joules=RUN_JOULES[WATCH_TIER],
        timings=Timings(queue_s=0.0, compute_s=0.002, transfer_s=0.0, total_s=0.003),
        degraded=True,
    )
    assert told == [Finish(request_id=R, outcome=expected, attempt=1)]


def test_a_peers_degraded_answer_is_tried_again_from_here_without_the_nodes_that_have_looked() -> None:
    made = scheduler(watch(), phone())
    step(made, arrived())
    step(made, finished(1, DOUBT))

    step(made, met(hub()))
    assert step(made, answered(2, phone(), score=DOUBT, degraded=True), 0.05) == [out(hub(), 3, 0.95 - 0.02 - 0.028)]

    finish = ended(step(made, answered(3, hub()), 0.1))
    assert isinstance(finish.outcome, Answer)
    assert [(h.node, h.tier) for h in finish.outcome.route] == [
        ("watch", WATCH_TIER),
        ("phone", PHONE_TIER),
        ("hub", HUB_TIER),
    ]
    assert (finish.outcome.escalations, finish.outcome.degraded, finish.attempt) == (2, False, 3)


def test_a_peers_degraded_answer_is_given_on_when_there_is_nobody_else() -> None:
    made = started(phone())
    step(made, finished(1, DOUBT))
    finish = ended(step(made, answered(2, phone(), score=DOUBT, degraded=True), 0.05))
    assert isinstance(finish.outcome, Answer)
    assert (finish.outcome.tier, finish.outcome.degraded, finish.attempt) == (PHONE_TIER, True, 2)


def test_a_smaller_answer_is_given_a_little_before_the_deadline() -> None:
    made = started(hub())
    step(made, finished(1, DOUBT), 0.003)

    assert step(made, TIME, 0.979) == []
    recalled, finish = step(made, TIME, 0.98)
    assert recalled == recall(hub(), 2)
    assert isinstance(finish, Finish)
    assert isinstance(finish.outcome, Answer)
    assert (finish.outcome.degraded, finish.outcome.timings.total_s, finish.attempt) == (True, 0.98, 1)


def test_a_doubt_that_comes_when_time_is_up_is_answered_at_once() -> None:
    finish = ended(step(started(hub()), finished(1, DOUBT), 0.99))
    assert isinstance(finish.outcome, Answer)
    assert finish.outcome.degraded


# -- malformed outputs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("score", "malformed"), [(CALM, True), (nan, False), (inf, False), (None, False)])
def test_a_malformed_output_goes_to_a_larger_tier_and_never_becomes_an_answer(
    score: float | None, malformed: bool
) -> None:
    made = started(hub())
    assert step(made, finished(1, score, malformed=malformed)) == [out(hub(), 2, 1.0 - 0.02 - 0.028)]

    recalled, finish = step(made, TIME, 1.0)
    assert recalled == recall(hub(), 2)
    late = "no answer within 1 s; before that: the watch model gave a malformed output"
    assert finish == fails("deadline_exceeded", late)


def test_a_malformed_output_that_nobody_else_can_look_at_is_a_failure() -> None:
    assert step(started(), finished(1, nan)) == [fails("execution_failed", "the watch model gave a malformed output")]


def test_a_malformed_output_of_a_small_tier_goes_to_the_larger_one_on_the_same_node() -> None:
    both = watch(tier(WATCH_TIER), tier(HUB_TIER))
    assert step(started(own=both), finished(1, nan)) == [run(both, 2, 1)]


def test_a_smaller_tier_stands_in_for_a_malformed_larger_one_and_is_degraded() -> None:
    both = hub(tier(PHONE_TIER), tier(HUB_TIER))
    made = started(own=both, priority=Priority.EMERGENCY)
    assert step(made, finished(1, None, malformed=True)) == [run(both, 2, 0)]

    finish = ended(step(made, finished(2, CALM)))
    assert isinstance(finish.outcome, Answer)
    assert (finish.outcome.tier, finish.outcome.degraded) == (PHONE_TIER, True)


def test_a_smaller_answer_stands_when_the_larger_tier_is_malformed() -> None:
    both = watch(tier(WATCH_TIER), tier(HUB_TIER))
    made = started(own=both)
    assert step(made, finished(1, DOUBT)) == [run(both, 2, 1)]
    finish = ended(step(made, finished(2, None, malformed=True)))
    assert isinstance(finish.outcome, Answer)
    assert (finish.outcome.tier, finish.outcome.degraded, finish.attempt) == (WATCH_TIER, True, 1)


# -- failures and other ways -----------------------------------------------------------------------------------------


def test_a_stage_that_failed_here_is_tried_elsewhere() -> None:
    assert step(started(hub()), failed(1, "execution_failed")) == [out(hub(), 2, 1.0 - 0.02 - 0.028)]


def test_a_model_that_fails_here_leaves_the_other_tiers_of_the_node_usable() -> None:
    both = watch(tier(WATCH_TIER), tier(PHONE_TIER))
    assert step(started(own=both), failed(1, "model_unusable")) == [run(both, 2, 1)]


def test_a_refusal_is_tried_elsewhere_and_told_when_there_is_no_elsewhere() -> None:
    made = started(phone(), hub(), min_tier=PHONE_TIER)
    (again,) = step(made, refused(1, hub(), "overloaded"))
    assert again == out(phone(), 2, 1.0 - 0.02 - 0.028)
    assert step(made, refused(2, phone(), "draining")) == [fails("draining", "it will not")]


@pytest.mark.parametrize("code", ["invalid_input", "duplicate_request"])
def test_what_a_peer_says_of_an_input_or_an_id_is_its_word_alone_and_told_when_nobody_says_otherwise(code: str) -> None:
    made = started(phone(), hub(), min_tier=PHONE_TIER)
    assert step(made, refused(1, hub(), code)) == [out(phone(), 2, 1.0 - 0.02 - 0.028)]
    assert step(made, refused(2, phone(), code)) == [fails(code, "it will not")]


@pytest.mark.parametrize("code", ["invalid_input", "duplicate_request"])
def test_who_refuses_the_input_or_the_id_of_a_larger_look_leaves_the_smaller_answer(code: str) -> None:
    made = started(hub())
    step(made, finished(1, DOUBT))
    (finish,) = step(made, refused(2, hub(), code))
    assert isinstance(finish, Finish)
    assert isinstance(finish.outcome, Answer)
    assert (finish.outcome.tier, finish.outcome.degraded, finish.attempt) == (WATCH_TIER, True, 1)


def test_a_request_that_took_two_executors_with_it_gets_no_third() -> None:
    second = hub(name="hub-2")
    made = scheduler(watch(), hub(), second, hub(name="hub-3"))
    step(made, arrived(min_tier=HUB_TIER))
    lost = events.PeerDisconnected(node_id=hub().node_id, left=False, reason="reset")
    (_, recalled, again) = step(made, lost)
    assert recalled == recall(hub(), 1)
    assert isinstance(again, Dispatch)
    assert step(made, refused(2, second, "execution_failed")) == [fails("execution_failed", "it will not")]


def test_a_peer_that_says_goodbye_did_not_die_of_the_request() -> None:
    others = [hub(name=f"hub-{number}") for number in range(4)]
    made = scheduler(watch(), *others)
    step(made, arrived(min_tier=HUB_TIER))
    for other in others[:3]:
        gone = events.PeerDisconnected(node_id=other.node_id, left=True, reason="shutting down")
        assert isinstance(step(made, gone)[-1], Dispatch)


def test_what_is_out_at_a_peer_that_fell_silent_is_tried_elsewhere() -> None:
    made = scheduler(watch(), hub(), settings=Settings(patience_floor_s=60.0))
    step(made, arrived(min_tier=HUB_TIER, deadline_s=60.0))
    told = [command for now in (1.0, 2.0, 3.0) for command in step(made, TIME, now)]
    assert told[1:] == [recall(hub(), 1), fails("peer_lost", "it became suspect while it had the request")]


def test_a_slow_peer_is_called_back_when_there_is_another_way() -> None:
    made = started(phone(), hub(), min_tier=PHONE_TIER)
    assert step(made, TIME, 0.2) == []
    assert step(made, TIME, 0.5) == [recall(hub(), 1), out(phone(), 2, 0.5 - 0.02 - 0.028)]
    assert step(made, answered(1, hub()), 0.5) == []


def test_a_slow_peer_is_waited_for_when_there_is_no_other_way_and_left_when_one_appears() -> None:

    made = scheduler(watch(), hub())
    step(made, arrived(min_tier=HUB_TIER, deadline_s=60.0))
    assert step(made, TIME, 0.5) == []

    step(made, met(hub(name="hub-2")), 0.6)
    recalled, again = step(made, TIME, 1.0)
    assert recalled == recall(hub(), 1)
    assert isinstance(again, Dispatch)
    assert again.node_id == "hub-2"


def test_a_silent_peer_is_left_while_this_node_can_still_answer_in_time() -> None:
    made = scheduler(watch(), hub(), settings=Settings(patience_floor_s=60.0))
    (asked,) = made.handle(arrived(), 0.0)
    assert isinstance(asked, ChoosePlan)
    step(made, chosen(asked, index=1))

    last_call_s = 1.0 - 0.02 - asked.observation.candidates[0].prediction.first_s
    assert step(made, TIME, last_call_s - 0.2) == []
    assert step(made, TIME, last_call_s) == [recall(hub(), 1), run(watch(), 2)]


# -- withdrawal, deadlines and reports that come twice ---------------------------------------------------------------


def test_a_cancelled_request_in_the_queue_is_taken_out() -> None:
    made = scheduler(watch())
    step(made, arrived("runs"))
    step(made, arrived())
    assert step(made, CANCEL) == [fails("cancelled", "the asker withdrew the request")]
    assert made.telemetry().queued == 0


def test_a_cancelled_stage_is_dropped_and_holds_its_slot_until_it_ends() -> None:
    made = started()
    withdrawn = fails("cancelled", "the asker withdrew the request")
    assert step(made, CANCEL) == [DropStage(request_id=R, attempt=1), withdrawn]
    assert step(made, arrived("next")) == []

    assert step(made, finished(1)) == [replace(run(watch(), 2), request_id=RequestId("next"))]


def test_a_cancelled_request_is_recalled_from_its_peer() -> None:
    made = started(hub(), min_tier=HUB_TIER)
    assert step(made, CANCEL) == [recall(hub(), 1), fails("cancelled", "the asker withdrew the request")]
    assert made.view.link_to(hub().node_id).outstanding == 0


@pytest.mark.parametrize("event", [CANCEL, finished(1), failed(1, "execution_failed"), answered(1, hub())])
def test_after_the_end_nothing_follows(event: events.Event) -> None:
    made = started()
    assert len(step(made, finished(1))) == 1
    assert step(made, event) == []
    assert step(made, TIME, 1.0) == []


def test_a_report_about_another_attempt_or_from_another_node_changes_nothing() -> None:
    made = started(phone(), hub(), min_tier=HUB_TIER)
    for event in (answered(7, hub()), answered(1, phone()), refused(1, phone(), "overloaded"), finished(1)):
        assert step(made, event) == []
    assert isinstance(ended(step(made, answered(1, hub()))).outcome, Answer)


def test_the_end_of_a_withdrawn_stage_is_not_the_end_of_a_new_request_of_the_same_id() -> None:
    made = started()
    step(made, CANCEL)
    assert step(made, arrived()) == []

    assert step(made, finished(1)) == [run(watch(), 2)]
    assert ended(step(made, finished(2))).attempt == 2


def test_a_request_fails_at_its_deadline_and_not_before() -> None:
    made = started()
    assert step(made, TIME, 0.999) == []
    assert step(made, TIME, 1.0) == [
        DropStage(request_id=R, attempt=1),
        fails("deadline_exceeded", "no answer within 1 s"),
    ]


def test_the_queue_time_is_told() -> None:
    made = scheduler(watch())
    step(made, arrived("first"))
    step(made, arrived())
    step(made, finished(1, name="first"), 0.1)
    finish = ended(step(made, finished(2), 0.3))
    assert isinstance(finish.outcome, Answer)
    assert finish.outcome.timings == Timings(queue_s=0.1, compute_s=0.002, transfer_s=0.0, total_s=0.3)


def test_a_delegated_request_accounts_for_receiving_its_input() -> None:
    made = scheduler(hub())
    step(made, arrived(via=("watch",), start_tier=HUB_TIER))
    finish = ended(step(made, finished(1, None)))
    assert isinstance(finish.outcome, Answer)
    assert finish.outcome.energy.joules == about(SENDING_JOULES + RUN_JOULES[HUB_TIER])


def test_what_a_peer_took_teaches_the_next_prediction() -> None:
    made = started(hub(), min_tier=HUB_TIER)
    before_s = made.view.link_to(hub().node_id).transfer_s(10_000)
    step(made, answered(1, hub()), 0.108)

    peer = made.view.peer(hub().node_id)
    assert peer is not None
    assert peer.compute_s(hub().hosted[0], 0.108).samples == 1
    assert before_s < made.view.link_to(hub().node_id).transfer_s(10_000) < 0.1


def test_waiting_in_a_peers_queue_is_not_taken_for_a_slow_link() -> None:
    made = started(hub(), min_tier=HUB_TIER)
    before_s = made.view.link_to(hub().node_id).transfer_s(10_100)
    reply = answered(1, hub())
    queued = replace(reply.answer, timings=Timings(queue_s=0.5, compute_s=0.008, transfer_s=0.0, total_s=0.508))
    step(made, replace(reply, answer=queued), 0.508 + before_s)
    assert made.view.link_to(hub().node_id).transfer_s(10_100) == about(before_s)
