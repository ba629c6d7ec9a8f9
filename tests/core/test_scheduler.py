from math import nan

import pytest

from meshd.core import events
from meshd.core.answer import Failure
from meshd.core.commands import Announce, ChoosePlan, Dispatch, Finish, Recall, RunStage, StandingChanged
from meshd.core.ids import RequestId
from meshd.core.membership import Standing
from meshd.core.node import Telemetry
from meshd.core.privacy import why_not_send
from meshd.core.request import Priority, Privacy
from meshd.core.settings import Settings
from tests.core.builders import (
    HUB_TIER,
    PHONE_TIER,
    UPSTREAM_TIER,
    WATCH_TIER,
    answered,
    arrived,
    finished,
    hub,
    met,
    phone,
    refused,
    scheduler,
    step,
    tier,
    upstream,
    warm,
    watch,
)

R = RequestId("r")


def failure(code: str, message: str) -> list[Finish]:
    return [Finish(request_id=R, outcome=Failure(code=code, message=message), attempt=None)]


def test_a_draining_node_takes_no_new_request_and_finishes_the_old_ones() -> None:
    made = scheduler(watch())
    step(made, arrived("old"))
    assert step(made, events.DrainRequested()) == []

    assert step(made, arrived()) == failure("draining", "this node is shutting down and takes no new requests")
    (ended,) = step(made, finished(1, name="old"))
    assert isinstance(ended, Finish)


@pytest.mark.parametrize("deadline_s", [0.0, -1.0, nan])
def test_a_deadline_that_is_past_on_arrival_fails_at_once(deadline_s: float) -> None:
    told = step(scheduler(watch()), arrived(deadline_s=deadline_s))
    assert told == failure("deadline_exceeded", f"the deadline was past on arrival ({deadline_s:g} s)")


def test_an_empty_batch_is_refused() -> None:
    told = step(scheduler(watch()), arrived(batch=0))
    assert told == failure("invalid_input", "a batch of 0 holds nothing to infer")


def test_one_request_too_many_is_shed() -> None:
    made = scheduler(watch(), settings=Settings(max_requests=1))
    step(made, arrived("first"))
    assert step(made, arrived()) == failure("overloaded", "as many requests as this node takes are alive here already")


def test_the_receiver_refuses_what_the_sender_should_never_have_sent() -> None:
    told = step(scheduler(hub()), arrived(privacy=Privacy.DEVICE, via=("watch",)))
    rule = why_not_send(Privacy.DEVICE, HUB_TIER)
    assert told == failure("refused_by_privacy", f"{rule}; the sender should never have sent it")

    told = step(scheduler(upstream()), arrived(privacy=Privacy.HOUSEHOLD, via=("hub",)))
    rule = why_not_send(Privacy.HOUSEHOLD, UPSTREAM_TIER)
    assert told == failure("refused_by_privacy", f"{rule}; the sender should never have sent it")


def test_a_request_that_privacy_forbids_everywhere_is_told_the_rule() -> None:
    told = step(scheduler(watch(tier(HUB_TIER, model="other")), hub()), arrived(privacy=Privacy.DEVICE))
    rule = why_not_send(Privacy.DEVICE, HUB_TIER)
    assert told == failure("refused_by_privacy", f"ecg: hub tier on hub: {rule}")


def test_an_unknown_model_is_told_so() -> None:
    told = step(scheduler(watch()), arrived(model="nosuch"))
    message = "no node of the mesh hosts a model 'nosuch'; `meshd models` lists all"
    assert told == failure("unknown_model", message)


def test_a_start_tier_that_is_no_longer_here_is_refused_with_the_reason() -> None:
    told = step(scheduler(phone()), arrived(start_tier=HUB_TIER, via=("watch",)))
    reason = "ecg: nothing may run it now. phone tier on phone: the peer that sent it starts at tier hub"
    assert told == failure("no_candidate", reason)


def test_a_full_queue_sheds_the_newcomer_unless_it_is_more_urgent_than_what_waits() -> None:
    made = scheduler(watch(), settings=Settings(max_queued=1))
    step(made, arrived("runs"))
    step(made, arrived("waits", priority=Priority.BACKGROUND))

    message = "ecg: watch tier on watch: the queue of this node is full"
    assert step(made, arrived(priority=Priority.BACKGROUND)) == failure("overloaded", message)
    (shed,) = step(made, arrived("urgent"))
    assert shed == Finish(
        request_id=RequestId("waits"), outcome=Failure(code="overloaded", message=message), attempt=None
    )


def test_a_request_that_is_pushed_out_of_the_queue_goes_to_a_peer_if_there_is_one() -> None:
    made = scheduler(watch(), settings=Settings(max_queued=1))
    step(made, arrived("runs"))
    step(made, arrived("waits", priority=Priority.BACKGROUND))
    made.handle(met(hub(tier(HUB_TIER, compute_s=5.0))), 0.0)  # Too slow to be chosen by anyone who has a choice.

    (sent,) = step(made, arrived("urgent", priority=Priority.NORMAL, privacy=Privacy.DEVICE))
    assert isinstance(sent, Dispatch)
    assert (sent.request_id, sent.node_id) == ("waits", "hub")


def test_a_heartbeat_leaves_every_interval_with_what_this_node_is_doing() -> None:
    made = scheduler(watch(), settings=Settings(heartbeat_interval_s=2.0))
    step(made, arrived("a", deadline_s=60.0))
    step(made, arrived("b", deadline_s=60.0))
    assert made.handle(events.TimePassed(), 1.9) == []

    told = Telemetry(queued=1, running=1, backlog_s=0.004, warm=warm(watch()).warm, radio_awake=False, links=())
    assert made.handle(events.TimePassed(), 2.0) == [Announce(telemetry=told)]
    assert made.handle(events.TimePassed(), 3.9) == []


def test_time_is_due_at_the_next_heartbeat_check_or_timer_whichever_is_first() -> None:
    made = scheduler(watch(), hub())
    assert made.next_deadline() == 1.0

    made.handle(arrived(), 0.0)
    assert made.next_deadline() == 0.05


def test_standings_are_told_as_they_change() -> None:
    made = scheduler(watch())
    alive = StandingChanged(node_id=hub().node_id, standing=Standing.ALIVE)
    suspect = StandingChanged(node_id=hub().node_id, standing=Standing.SUSPECT)

    assert step(made, met(hub())) == [alive]
    assert step(made, events.PeerDisconnected(node_id=hub().node_id, left=False, reason="reset")) == [suspect]
    assert step(made, met(hub())) == [alive]
    assert step(made, met(hub())) == []


def test_an_older_incarnation_changes_nothing() -> None:
    made = scheduler(watch(), hub(incarnation=5))
    assert step(made, met(hub(tier(UPSTREAM_TIER), incarnation=4))) == []
    peer = made.view.peer(hub().node_id)
    assert peer is not None
    assert peer.profile == hub(incarnation=5)


def test_what_is_out_at_a_peer_that_started_anew_is_planned_again() -> None:
    made = scheduler(watch(), hub())
    step(made, arrived(min_tier=HUB_TIER))

    recalled, ended = step(made, met(hub(incarnation=2)))
    assert recalled == Recall(request_id=R, attempt=1, node_id=hub().node_id)
    assert [ended] == failure("peer_lost", "it started anew")


def test_a_newer_document_of_the_same_session_leaves_what_is_out_there_alone() -> None:
    made = scheduler(watch(), hub())
    step(made, arrived(min_tier=HUB_TIER))
    assert step(made, met(hub(tier(HUB_TIER), tier(UPSTREAM_TIER)))) == []


def test_a_peer_too_many_is_not_used() -> None:
    made = scheduler(watch(), hub(), settings=Settings(max_nodes=1))
    assert step(made, met(phone())) == []
    assert [node.profile.name for node in made.view.nodes()] == ["watch", "hub"]


def test_a_report_from_a_stranger_is_ignored() -> None:
    made = scheduler(watch())
    assert step(made, refused(1, hub(), "overloaded")) == []
    assert step(made, events.PeerHeard(node_id=hub().node_id, telemetry=Telemetry(), rtt_s=0.1)) == []
    assert step(made, events.PeerDisconnected(node_id=hub().node_id, left=True, reason="bye")) == []


def test_heartbeats_teach_the_round_trip() -> None:
    made = scheduler(watch(), hub())
    for second in range(40):
        made.handle(events.PeerHeard(node_id=hub().node_id, telemetry=warm(hub()), rtt_s=0.004), float(second))
    assert made.view.link_to(hub().node_id).transfer_s(0) == pytest.approx(0.004, rel=0.01)


def test_a_plan_for_a_masked_candidate_is_never_followed() -> None:
    both = watch(tier(WATCH_TIER), tier(PHONE_TIER))
    made = scheduler(both, hub())
    (asked,) = made.handle(arrived(privacy=Privacy.DEVICE), 0.0)
    assert isinstance(asked, ChoosePlan)
    assert asked.observation.mask == (True, True, False)
    plan = events.PlanChosen(request_id=R, decision=1, index=2, policy="learned")

    (run,) = made.handle(plan, 0.0)
    assert run == RunStage(request_id=R, attempt=1, tier=watch().hosted[0])
    story = made.explanations.get(R)
    assert story is not None
    assert (story.choices[0].policy, story.choices[0].note) == (
        "least-expected-cost",
        "learned chose 2, which is not allowed",
    )


def test_where_there_is_only_one_way_no_policy_is_asked() -> None:
    made = scheduler(watch(), hub())
    assert made.handle(arrived(privacy=Privacy.DEVICE), 0.0) == [
        RunStage(request_id=R, attempt=1, tier=watch().hosted[0])
    ]
    story = made.explanations.get(R)
    assert story is not None
    assert (story.choices[0].index, story.choices[0].policy) == (0, "the only way")
    assert made.next_deadline() == 1.0


def test_when_a_node_learns_from_an_event_makes_no_difference_to_what_follows() -> None:
    happens: list[events.Event] = [
        arrived("here", plan="watch"),
        finished(1, name="here", compute_s=0.02),
        arrived("there", min_tier=HUB_TIER),
        answered(2, hub(), "there"),
        arrived("next"),
        arrived("last", min_tier=HUB_TIER),
    ]
    later, at_once = scheduler(watch(), hub()), scheduler(watch(), hub())
    known = at_once.view.own.learned
    for number, event in enumerate(happens):
        now = 0.1 * number
        told = later.handle(event, now)
        assert at_once.handle(event, now) == told
        at_once.learn()
    assert len(known) == 1
