"""What a node counts of what it did lately: when each count grows, how it fades, and that it needs little memory."""

from __future__ import annotations

from math import exp
from typing import Any

import pytest

from meshd.core import events
from meshd.core.commands import WarmUp
from meshd.core.history import Dealings, History
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.node import NodeProfile
from meshd.core.request import Priority
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import (
    DOUBT,
    ECG,
    HUB_TIER,
    PHONE_TIER,
    WATCH_TIER,
    answered,
    arrived,
    failed,
    finished,
    hub,
    phone,
    refused,
    scheduler,
    step,
    tier,
    watch,
)

TIME = events.TimePassed()
HUB_2 = hub(name="hub-2")
TO_A_HUB: dict[str, Any] = {"min_tier": HUB_TIER}


def asked(*peers: NodeProfile, own: NodeProfile | None = None, deadline_s: float = 1.0, **changes: Any) -> Scheduler:
    """A node with one request under way."""
    made = scheduler(own or watch(), *peers)
    step(made, arrived(deadline_s=deadline_s, **changes))
    return made


def began(made: Scheduler, now: float = 0.0) -> dict[str, float]:
    return _counts(made, 0, now)


def loaded(made: Scheduler, now: float = 0.0) -> dict[str, float]:
    return _counts(made, 1, now)


def came_to_nothing(made: Scheduler, now: float = 0.0) -> dict[str, float]:
    return _counts(made, 2, now)


def missed(made: Scheduler, now: float = 0.0) -> float:
    return made.view.history.missed.at(now)


def _counts(made: Scheduler, which: int, now: float) -> dict[str, float]:
    """The nodes of which one kind of thing was counted."""
    history = made.view.history
    counts = {str(node_id): history.of_node(node_id, now)[which] for node_id in history.nodes}
    return {node: count for node, count in counts.items() if count}


# -- how it is counted -----------------------------------------------------------------------------------------------


def test_each_count_fades_in_its_own_time() -> None:
    history = History()
    history.arrived(ECG, 100.0)
    history.missed.happened(100.0)
    dealings = history.with_node(NodeId("hub"))
    for count in (dealings.sent, dealings.loads, dealings.failed):
        count.happened(100.0)
    seen = (
        history.arrivals.at(130.0),
        history.of_model(ECG, 130.0),
        history.missed.at(130.0),
        *history.of_node(NodeId("hub"), 130.0),
    )
    assert seen == pytest.approx((exp(-3.0), exp(-0.5), exp(-1.0), exp(-3.0), exp(-0.5), exp(-0.25)))


def test_what_was_never_met_counts_nothing_and_is_not_remembered_for_being_looked_at() -> None:
    history = History()
    assert (history.of_model(ECG, 1.0), history.of_node(NodeId("hub"), 1.0)) == (0.0, (0.0, 0.0, 0.0))
    assert history == History()


def test_names_that_come_once_each_take_no_more_memory_than_many_and_push_out_the_first() -> None:
    history = History()
    for number in range(1000):
        history.arrived(ModelName(f"model-{number}"), 1.0)
        history.with_node(NodeId(f"node-{number}")).sent.happened(1.0)
    assert (len(history.models), len(history.nodes)) == (256, 256)
    assert (history.of_model(ModelName("model-0"), 1.0), history.of_model(ModelName("model-999"), 1.0)) == (0.0, 1.0)


# -- requests --------------------------------------------------------------------------------------------------------


def test_a_request_counts_for_its_model_once_it_is_let_in() -> None:
    made = asked(hub())
    step(made, arrived("late", deadline_s=-1.0))
    step(made, arrived("other", model=ModelName("scene")))
    history = made.view.history
    assert {model: count.count for model, count in history.models.items()} == {"ecg": 1.0, "scene": 1.0}
    assert history.arrivals.count == 2.0


def test_a_request_that_is_too_late_is_missed() -> None:
    made = asked(hub(), **TO_A_HUB)
    step(made, TIME, 1.0)
    assert missed(made, 1.0) == 1.0


def test_a_request_that_has_no_way_left_is_missed() -> None:
    made = asked(hub(), **TO_A_HUB)
    step(made, refused(1, hub(), "overloaded"))
    step(made, arrived("nowhere", model=ModelName("unknown")))
    assert missed(made) == 2.0


def test_a_request_that_was_answered_refused_at_the_door_or_withdrawn_is_not_missed() -> None:
    made = asked()
    step(made, finished(1))
    step(made, arrived("late", deadline_s=-1.0))
    step(made, arrived("next"))
    step(made, events.RequestCancelled(request_id=RequestId("next")))
    assert missed(made) == 0.0


def test_a_smaller_answer_in_place_of_a_larger_one_is_an_answer() -> None:
    made = asked(hub())
    step(made, finished(1, DOUBT), 0.003)
    step(made, TIME, 0.98)
    assert (missed(made, 0.98), came_to_nothing(made, 0.98)) == (0.0, {"hub": 1.0})


def test_an_emergency_that_two_nodes_fail_is_missed_once() -> None:
    made = scheduler(hub(), HUB_2)
    step(made, arrived(priority=Priority.EMERGENCY))
    step(made, TIME, 1.0)
    assert (missed(made, 1.0), came_to_nothing(made, 1.0)) == (1.0, {"hub": 1.0, "hub-2": 1.0})


# -- what was begun --------------------------------------------------------------------------------------------------


def test_what_is_begun_counts_for_the_node_it_is_begun_on() -> None:
    made = asked(hub())
    step(made, finished(1, DOUBT), 0.003)
    step(made, answered(2, hub()), 0.051)
    assert began(made, 0.0) == {"watch": 1.0, "hub": 1.0}
    assert came_to_nothing(made, 1.0) == {}


def test_what_was_withdrawn_or_was_not_needed_any_more_did_not_fail() -> None:
    made = scheduler(hub(), HUB_2)
    step(made, arrived(priority=Priority.EMERGENCY))
    step(made, finished(2, None, "r/0"))
    step(made, arrived("next"))
    step(made, events.RequestCancelled(request_id=RequestId("next")))
    assert came_to_nothing(made) == {}


# -- what came to nothing --------------------------------------------------------------------------------------------


def test_a_stage_that_failed_counts_here_and_is_forgotten_in_minutes() -> None:
    made = asked(hub())
    step(made, failed(1, "execution_failed"))
    assert came_to_nothing(made) == {"watch": 1.0}
    assert came_to_nothing(made, 120.0) == {"watch": pytest.approx(exp(-1.0))}


def test_a_refusal_counts_for_who_refused() -> None:
    made = asked(phone(), hub(), min_tier=PHONE_TIER)
    step(made, refused(1, hub(), "overloaded"))
    assert came_to_nothing(made) == {"hub": 1.0}


def test_a_peer_that_is_lost_failed_all_that_it_held() -> None:
    made = asked(hub(), **TO_A_HUB)
    step(made, arrived("second", min_tier=HUB_TIER))
    step(made, events.PeerDisconnected(node_id=hub().node_id, left=False, reason="reset"))
    assert came_to_nothing(made) == {"hub": 2.0}


def test_a_peer_that_held_nothing_when_it_was_lost_failed_nothing() -> None:
    made = scheduler(watch(), hub())
    step(made, events.PeerDisconnected(node_id=hub().node_id, left=False, reason="reset"))
    assert came_to_nothing(made) == {}


def test_a_slow_peer_counts_once_it_is_given_up_and_not_while_it_is_waited_for() -> None:
    made = asked(hub(), deadline_s=60.0, **TO_A_HUB)
    step(made, TIME, 0.5)
    assert came_to_nothing(made, 0.5) == {}
    step(made, events.PeerConnected(profile=HUB_2, telemetry=made.telemetry()), 0.6)
    step(made, TIME, 1.0)
    assert came_to_nothing(made, 1.0) == {"hub": 1.0}


def test_what_is_under_way_when_the_time_is_up_failed_wherever_it_is() -> None:
    here, there = asked(), asked(hub(), **TO_A_HUB)
    for made in (here, there):
        step(made, TIME, 1.0)
    assert (came_to_nothing(here, 1.0), came_to_nothing(there, 1.0)) == ({"watch": 1.0}, {"hub": 1.0})


def test_what_is_pushed_out_of_the_queue_failed_here() -> None:
    made = scheduler(watch(), settings=Settings(max_queued=1, hedge_emergencies=False))
    for name, priority in (("runs", Priority.NORMAL), ("waits", Priority.NORMAL), ("urgent", Priority.EMERGENCY)):
        step(made, arrived(name, priority=priority))
    assert (began(made), came_to_nothing(made)) == ({"watch": 3.0}, {"watch": 1.0})


# -- what was loaded -------------------------------------------------------------------------------------------------


def test_a_model_that_is_cold_when_it_is_chosen_counts_for_its_node_and_a_warm_one_does_not() -> None:
    made = scheduler(watch(), hub())
    step(made, arrived("warm"))
    assert loaded(made) == {}
    made.handle(events.HostChanged(warm=(), battery_fraction=None, charging=False, free_memory_bytes=None), 0.0)
    step(made, arrived("cold", plan="watch"))
    assert loaded(made) == {"watch": 1.0}


def test_a_model_that_is_loaded_in_the_background_counts_here() -> None:
    plain: dict[str, Any] = {"score_output": None, "escalation_rate": 0.0, "load_s": 1.0}
    profile = watch(tier(WATCH_TIER, **plain))
    made = scheduler(profile, hub(), settings=Settings(latency_price_watts=1000.0))
    made.handle(events.HostChanged(warm=(), battery_fraction=None, charging=False, free_memory_bytes=None), 0.0)
    for number in range(500):
        told = step(made, arrived(f"r{number}", deadline_s=30.0), 0.1)
        if any(isinstance(command, WarmUp) for command in told):
            break
    assert loaded(made, 0.1) == {"watch": 1.0}


def test_dealings_are_told_in_the_order_in_which_they_are_named() -> None:
    dealings = Dealings()
    dealings.loads.happened(1.0)
    assert dealings.lately(1.0) == (0.0, 1.0, 0.0)
