"""What was weighed for one request serves the next that asks the same, while nothing that it rests on has changed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from meshd.core import events
from meshd.core.candidate import Mask, Observation
from meshd.core.commands import ChoosePlan, Command, Dispatch, RunStage
from meshd.core.cost import Here
from meshd.core.ids import RequestId
from meshd.core.life import Life
from meshd.core.node import Telemetry
from meshd.core.planner import Planner
from meshd.core.request import Priority, Privacy, Request
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import (
    CALM,
    DOUBT,
    HUB_TIER,
    PHONE_TIER,
    answered,
    arrived,
    chosen,
    failed,
    finished,
    hub,
    met,
    phone,
    request,
    scheduler,
    step,
    tier,
    warm,
    watch,
)
from tests.core.parts import life_of

RUN_S = 0.002
FAR_S = 10.0
NOTE = "so said the policy"


def handle(made: Scheduler, event: events.Event, now: float) -> list[Command]:
    """Handle an event and let a policy that always says the same answer what it is asked."""
    told: list[Command] = []
    for command in made.handle(event, now):
        plan = replace(chosen(command), is_steady=True, note=NOTE) if isinstance(command, ChoosePlan) else None
        told += [command] if plan is None else handle(made, plan, now)
    return told


def asked(made: Scheduler, name: str, now: float, **changes: Any) -> list[Command]:
    return handle(made, arrived(name, **{"deadline_s": FAR_S, **changes}), now)


def run(made: Scheduler, name: str, now: float) -> None:
    """A request from its arrival to its answer, here."""
    (started,) = asked(made, name, now)
    assert isinstance(started, RunStage)
    step(made, finished(started.attempt, name=name, compute_s=RUN_S), now)


def observed(made: Scheduler, name: str) -> Observation:
    """What the latest decision about a request was about."""
    story = made.explanations.get(RequestId(name))
    assert story is not None
    return story.choices[-1].observation


def at_rest() -> Scheduler:
    """A watch beside a phone and a hub that has learned what its requests take; the latest was answered at 0.5."""
    made = scheduler(watch(), phone(), hub())
    for number in range(50):
        run(made, f"before {number}", 0.5)
    return made


def is_taken_up(made: Scheduler, now: float = 0.6, **changes: Any) -> bool:
    asked(made, "next", now, **changes)
    return observed(made, "next").weighed_ago_s > 0.0


def test_the_next_request_that_asks_the_same_is_offered_the_same_and_told_so() -> None:
    made = at_rest()
    run(made, "first", 0.55)
    assert is_taken_up(made, deadline_s=2 * FAR_S)
    first, following = observed(made, "first"), observed(made, "next")
    assert following.candidates is first.candidates
    assert following.remaining_s == 2 * FAR_S
    assert following.weighed_ago_s == pytest.approx(first.weighed_ago_s + 0.05)


def test_a_policy_that_always_says_the_same_is_asked_once_and_named_each_time_with_what_it_noted() -> None:
    made = at_rest()
    (started,) = made.handle(arrived("next", deadline_s=FAR_S), 0.6)
    assert isinstance(started, RunStage)
    story = made.explanations.get(RequestId("next"))
    assert story is not None
    assert [(choice.index, choice.policy, choice.note) for choice in story.choices] == [(0, "test", NOTE)]


def test_any_other_policy_is_asked_about_every_request() -> None:
    made = scheduler(watch(), hub())
    for name in ("first", "second"):
        (asks,) = made.handle(arrived(name, deadline_s=FAR_S), 0.5)
        assert isinstance(asks, ChoosePlan)
        (started,) = step(made, chosen(asks, 0))
        assert isinstance(started, RunStage)
        step(made, finished(started.attempt, name=name))


@pytest.mark.parametrize(
    "changes",
    [
        {"input_bytes": 20_000},
        {"min_tier": PHONE_TIER},
        {"privacy": Privacy.DEVICE},
        {"priority": Priority.EMERGENCY},
        {"batch": 2},
        {"plan": "hub"},
        {"deadline_s": 0.001},
    ],
)
def test_a_request_that_asks_anything_else_is_weighed_for_itself(changes: dict[str, Any]) -> None:
    made = at_rest()
    assert not is_taken_up(made, **changes)


def _hub_is_low(made: Scheduler) -> None:
    low = warm(hub(), battery_fraction=0.01, links=())
    made.handle(events.PeerHeard(node_id=hub().node_id, telemetry=low), 0.55)


def _hub_is_busy(made: Scheduler) -> None:
    busy = warm(hub(), queued=3, backlog_s=0.5)
    made.handle(events.PeerHeard(node_id=hub().node_id, telemetry=busy), 0.55)


def _hub_is_cold(made: Scheduler) -> None:
    made.handle(events.PeerHeard(node_id=hub().node_id, telemetry=Telemetry()), 0.55)


def _hub_left(made: Scheduler) -> None:
    made.handle(events.PeerDisconnected(node_id=hub().node_id, left=True, reason="it says goodbye"), 0.55)


def _another_came(made: Scheduler) -> None:
    made.handle(met(hub(name="attic")), 0.55)


def _a_link_is_slower(made: Scheduler) -> None:
    echo = events.PeerHeard(node_id=hub().node_id, telemetry=warm(hub()), rtt_s=0.3)
    made.handle(echo, 0.55)


def _this_node_changed(made: Scheduler) -> None:
    sampled = events.HostChanged(warm=(), battery_fraction=0.5, charging=False, free_memory_bytes=None)
    made.handle(sampled, 0.55)


def _models_changed(made: Scheduler) -> None:
    made.handle(events.ModelsChanged(hosted=(tier(watch().device_class, accuracy=0.8),)), 0.55)


def _runs_take_longer(made: Scheduler) -> None:
    (started,) = asked(made, "slow", 0.55)
    assert isinstance(started, RunStage)
    step(made, finished(started.attempt, name="slow", compute_s=3 * RUN_S), 0.55)


def _more_escalate(made: Scheduler) -> None:
    for _ in range(5):
        made.view.escalations.learn(watch().hosted[0], escalated=True, now=0.55)


def _more_crosses(made: Scheduler) -> None:
    made.view.crossings.learn(watch().hosted[0], 1, out_bytes=50_000, input_bytes=10_000)


def _it_is_busy(made: Scheduler) -> None:
    asked(made, "under way", 0.55)


def _something_is_out(made: Scheduler) -> None:
    (sent,) = asked(made, "out", 0.55, min_tier=HUB_TIER)
    assert isinstance(sent, Dispatch)


@pytest.mark.parametrize(
    "happens",
    [
        _hub_is_low,
        _hub_is_busy,
        _hub_is_cold,
        _hub_left,
        _another_came,
        _a_link_is_slower,
        _this_node_changed,
        _models_changed,
        _runs_take_longer,
        _more_escalate,
        _more_crosses,
        _it_is_busy,
        _something_is_out,
    ],
)
def test_nothing_is_taken_up_again_once_what_it_rests_on_has_changed(happens: Callable[[Scheduler], None]) -> None:
    made = at_rest()
    happens(made)
    assert not is_taken_up(made)


def test_nothing_is_taken_up_again_after_a_second() -> None:
    assert is_taken_up(at_rest(), 1.4)
    assert not is_taken_up(at_rest(), 1.6)


def test_nothing_stands_that_was_weighed_while_a_peer_had_a_queue() -> None:
    made = at_rest()
    made.handle(events.PeerHeard(node_id=hub().node_id, telemetry=warm(hub(), backlog_s=0.2)), 0.55)
    run(made, "meanwhile", 0.6)
    assert not is_taken_up(made, 0.65)


def test_nothing_stands_once_a_peer_says_again_that_it_has_a_queue() -> None:
    made = at_rest()
    busy = events.PeerHeard(node_id=hub().node_id, telemetry=warm(hub(), backlog_s=0.2))
    made.handle(busy, 0.55)
    run(made, "once its queue should be over", 0.8)
    made.handle(busy, 0.82)
    assert not is_taken_up(made, 0.84)


def test_what_was_tried_already_is_weighed_for_itself() -> None:
    made = at_rest()
    (started,) = asked(made, "next", 0.6)
    assert isinstance(started, RunStage)
    handle(made, failed(started.attempt, "invalid_output", name="next"), 0.6)
    story = made.explanations.get(RequestId("next"))
    assert story is not None
    assert [choice.observation.weighed_ago_s > 0.0 for choice in story.choices] == [True, False]


def test_the_only_way_is_taken_up_whatever_was_measured_of_it_for_a_second() -> None:
    made = scheduler(watch(), hub())
    for number in range(5):
        now = 0.5 + 0.1 * number
        (sent,) = asked(made, f"{number}", now, min_tier=HUB_TIER)
        assert isinstance(sent, Dispatch)
        handle(made, answered(sent.attempt, hub(), f"{number}"), now + 0.01 * (1 + number))
    ages_s = [observed(made, f"{number}").weighed_ago_s for number in range(5)]
    assert ages_s == pytest.approx([0.0, 0.0, 0.1, 0.2, 0.3])  # The first one woke the radio.


def test_what_was_measured_counts_where_there_is_another_way() -> None:
    made = scheduler(watch(), phone(), hub())
    for number in range(3):
        now = 0.5 + 0.1 * number
        (sent,) = asked(made, f"{number}", now, min_tier=PHONE_TIER)
        assert isinstance(sent, Dispatch)
        handle(made, answered(sent.attempt, phone(), f"{number}"), now + 0.01 * (1 + number))
    assert observed(made, "2").weighed_ago_s == 0.0


def test_what_is_taken_up_is_sent_to_a_peer_like_what_was_weighed() -> None:
    made, sent = at_rest(), []
    for number, name in enumerate(("wakes the radio", "first", "next")):
        now = 0.5 + 0.1 * number
        (told,) = asked(made, name, now, min_tier=HUB_TIER)
        assert isinstance(told, Dispatch)
        sent.append(replace(told, request_id=RequestId("r"), attempt=0))
        handle(made, answered(told.attempt, hub(), name), now + 0.01)
    assert observed(made, "next").candidates is observed(made, "first").candidates
    assert sent[1] == sent[2]


# -- whatever happens ------------------------------------------------------------------------------------------------

PEERS = (phone(), hub())


def _what_else_happens(draw: Random, made: Scheduler, now: float) -> None:
    """Something that may change what is best, or forbid it."""
    peer = draw.choice(PEERS)
    said = warm(peer, battery_fraction=draw.choice((None, 0.05, 0.5)), backlog_s=draw.choice((0.0, 0.0, 0.01)))
    event = draw.choice(
        (
            events.PeerHeard(node_id=peer.node_id, telemetry=said, rtt_s=draw.choice((None, 0.001, 0.05))),
            events.PeerHeard(node_id=peer.node_id, telemetry=said),
            events.PeerDisconnected(node_id=peer.node_id, left=False, reason="the test closed it"),
            met(peer),
            met(peer),
            events.HostChanged(
                warm=draw.choice(((), made.view.own.telemetry.warm)),
                battery_fraction=0.5,
                charging=draw.random() < 0.5,
                free_memory_bytes=None,
            ),
        )
    )
    made.handle(event, now)


def _live(draw: Random, made: Scheduler, wanted: Request, now: float) -> float:
    """A request's life, and when it ends: runs take more or less long, and some answers ask for a larger tier."""
    commands = handle(made, events.RequestArrived(request=wanted), now)
    while commands:
        command = commands.pop(0)
        if isinstance(command, RunStage):
            seconds = command.tier.compute_s * draw.uniform(0.8, 1.2)
            ended = finished(command.attempt, draw.choice((CALM, CALM, DOUBT)), wanted.request_id, compute_s=seconds)
            commands += handle(made, ended, now)
        elif isinstance(command, Dispatch):
            peer = next(peer for peer in PEERS if peer.node_id == command.node_id)
            now += draw.uniform(0.01, 0.05)
            commands += handle(made, answered(command.attempt, peer, wanted.request_id), now)
    return now


def _life(wanted: Request, now: float) -> Life:
    return replace(life_of(wanted), arrived_s=now)


def _forbidden(observation: Observation) -> dict[str, Mask | None]:
    return {c.place: c.reason.mask if c.reason else None for c in observation.candidates}


def test_whatever_happens_a_choice_that_is_taken_up_is_allowed_now_and_about_the_best_there_is() -> None:
    """Held against a planner that weighs everything anew each time."""
    n_taken_up = 0
    for seed in range(30):
        draw, now = Random(seed), 0.0
        made = scheduler(watch(), *PEERS)
        for number in range(80):
            now += draw.choice((0.001, 0.01, 0.1))
            if draw.random() < 0.1:
                _what_else_happens(draw, made, now)
            wanted = request(
                f"{number}",
                min_tier=draw.choice((None, None, None, PHONE_TIER)),
                privacy=draw.choice((Privacy.HOUSEHOLD, Privacy.HOUSEHOLD, Privacy.DEVICE)),
                deadline_s=draw.choice((1.0, 2.0)),
            )
            idle = Here(is_full=False, wait_s=0.0)
            anew = Planner(made.view, Settings()).observe(_life(wanted, now), above=None, here=idle, now=now)
            now = _live(draw, made, wanted, now)
            story = made.explanations.get(wanted.request_id)
            assert story is not None
            choice = story.choices[0]
            if choice.observation.weighed_ago_s > 0.0:
                n_taken_up += 1
                assert _forbidden(choice.observation) == _forbidden(anew), (seed, number)
                costs = {at: c.prediction.cost for at, c in enumerate(anew.candidates) if c.allowed}
                assert (choice.index is None) == (not costs), (seed, number)
                assert choice.index is None or costs[choice.index] <= 1.1 * min(costs.values()), (seed, number)
    assert n_taken_up > 300
