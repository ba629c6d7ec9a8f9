"""The hard rules: which candidates a policy may choose, and the reason that the others are masked."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from meshd.core import events
from meshd.core.answer import Failure
from meshd.core.candidate import Mask, Observation
from meshd.core.commands import ChoosePlan, Command, Dispatch, Finish
from meshd.core.node import NodeProfile
from meshd.core.request import Priority, Privacy
from meshd.core.scheduler import Scheduler
from tests.core.builders import (
    HUB_TIER,
    PHONE_TIER,
    WATCH_TIER,
    arrived,
    chosen,
    hub,
    met,
    phone,
    request,
    scheduler,
    step,
    tier,
    upstream,
    warm,
    watch,
)

EMERGENCY, BACKGROUND = Priority.EMERGENCY, Priority.BACKGROUND


def observed(made: Scheduler, event: events.Event, now: float = 0.0) -> Observation:
    """What was on offer, also where it was too little for a choice."""
    made.handle(event, now)
    story = made.explanations.latest()
    assert story is not None
    return story.choices[-1].observation


def code_of(told: list[Command]) -> str:
    (finish,) = told
    assert isinstance(finish, Finish)
    assert isinstance(finish.outcome, Failure)
    return finish.outcome.code


def masks(observation: Observation) -> dict[str, Mask | None]:
    return {
        candidate.label: candidate.reason.mask if candidate.reason else None for candidate in observation.candidates
    }


def seen(own: NodeProfile, *peers: NodeProfile, **asked: Any) -> dict[str, Mask | None]:
    return masks(observed(scheduler(own, *peers), arrived(**asked)))


def test_every_tier_on_every_node_is_a_candidate_weakest_first_and_this_node_before_its_peers() -> None:
    two = phone(tier(WATCH_TIER), tier(PHONE_TIER))
    assert list(seen(watch(), hub(), two)) == [
        "watch tier on watch",
        "watch tier on phone",
        "phone tier on phone",
        "hub tier on hub",
    ]


def test_privacy_device_keeps_the_input_on_this_node() -> None:
    assert seen(watch(), phone(), privacy=Privacy.DEVICE) == {
        "watch tier on watch": None,
        "phone tier on phone": Mask.PRIVACY,
    }


def test_privacy_household_keeps_the_input_from_an_upstream_and_public_does_not() -> None:
    assert seen(hub(), upstream())["upstream tier on upstream"] is Mask.PRIVACY
    assert seen(hub(), upstream(), privacy=Privacy.PUBLIC)["upstream tier on upstream"] is None


@pytest.mark.parametrize("keeper", ["own", "peer"])
def test_a_manifest_on_either_side_can_keep_the_input_where_it_is(keeper: str) -> None:
    own = watch(tier(WATCH_TIER, raw_input_may_leave=keeper != "own"))
    peer = hub(tier(HUB_TIER, raw_input_may_leave=keeper != "peer"))
    assert seen(own, peer) == {"watch tier on watch": None, "hub tier on hub": Mask.PRIVACY}


def test_no_tier_below_the_one_asked_for_is_allowed() -> None:
    assert seen(watch(), phone(), hub(), min_tier=PHONE_TIER) == {
        "watch tier on watch": Mask.TOO_WEAK,
        "phone tier on phone": None,
        "hub tier on hub": None,
    }


def test_a_delegated_request_is_run_here_from_the_tier_it_was_sent_for() -> None:
    both = hub(tier(PHONE_TIER), tier(HUB_TIER))
    stranger = hub(name="hub-2")
    assert seen(both, watch(), phone(), stranger, via=("watch",), start_tier=HUB_TIER) == {
        "watch tier on watch": Mask.TOO_WEAK,
        "phone tier on hub": Mask.TOO_WEAK,
        "phone tier on phone": Mask.TOO_WEAK,
        "hub tier on hub": None,
        "hub tier on hub-2": Mask.DELEGATED,
    }


def test_a_request_never_returns_to_a_node_that_has_had_it() -> None:
    strong_watch = watch(tier(WATCH_TIER), tier(HUB_TIER))
    assert seen(phone(), strong_watch, via=("watch",))["hub tier on watch"] is Mask.VISITED


def test_only_a_peer_that_is_alive_and_in_session_gets_work() -> None:
    made = scheduler(watch(), hub())
    made.handle(events.PeerDisconnected(node_id=hub().node_id, left=False, reason="reset"), 0.0)
    assert masks(observed(made, arrived()))["hub tier on hub"] is Mask.NOT_ALIVE


def test_a_peer_below_its_battery_floor_takes_only_emergencies_unless_it_charges() -> None:
    made = scheduler(watch(), phone())
    made.handle(met(phone(), battery_fraction=0.09), 0.0)
    assert masks(observed(made, arrived("a")))["phone tier on phone"] is Mask.BATTERY
    assert masks(observed(made, arrived("b", priority=EMERGENCY)))["phone tier on phone"] is None

    made.handle(met(phone(), battery_fraction=0.09, charging=True), 0.0)
    assert masks(observed(made, arrived("c")))["phone tier on phone"] is None


def test_a_node_below_its_battery_floor_runs_its_own_work_and_refuses_that_of_others() -> None:
    made = scheduler(phone())
    low = events.HostChanged(warm=warm(phone()).warm, battery_fraction=0.05, charging=False, free_memory_bytes=None)
    made.handle(low, 0.0)
    assert masks(observed(made, arrived("own"))) == {"phone tier on phone": None}

    assert code_of(step(made, arrived("sent", via=("watch",)))) == "no_candidate"


def test_an_emergency_takes_the_most_accurate_of_what_is_feasible() -> None:
    assert seen(watch(), phone(), hub(), priority=EMERGENCY) == {
        "watch tier on watch": Mask.LESS_ACCURATE,
        "phone tier on phone": Mask.LESS_ACCURATE,
        "hub tier on hub": None,
    }
    assert seen(watch(), phone(), priority=EMERGENCY)["phone tier on phone"] is None


def test_what_would_be_late_even_if_all_went_well_is_masked() -> None:
    slow = hub(tier(HUB_TIER, compute_s=30.0))
    made = scheduler(watch(), slow)
    for _ in range(10):  # Be sure of it.
        made.view.learn_compute(slow.node_id, slow.hosted[0], 30.0, 0.0)
    assert masks(observed(made, arrived())) == {"watch tier on watch": None, "hub tier on hub": Mask.DEADLINE}


def test_a_likely_escalation_that_would_be_late_does_not_mask_the_answer_before_it() -> None:
    doubter = watch(tier(WATCH_TIER, escalation_rate=1.0))
    made = scheduler(doubter, phone(), hub(tier(HUB_TIER, compute_s=30.0)))
    for profile in (doubter, hub(tier(HUB_TIER, compute_s=30.0))):
        for _ in range(10):
            made.view.learn_compute(profile.node_id, profile.hosted[0], profile.hosted[0].compute_s, 0.0)
    assert masks(observed(made, arrived()))["watch tier on watch"] is None


def test_if_everything_would_be_late_the_soonest_is_still_allowed() -> None:
    made = scheduler(watch(tier(WATCH_TIER, load_s=5.0)), hub(tier(HUB_TIER, load_s=9.0)))
    made.handle(events.HostChanged(warm=(), battery_fraction=None, charging=False, free_memory_bytes=None), 0.0)
    made.handle(events.PeerHeard(node_id=hub().node_id, telemetry=replace(warm(hub()), warm=())), 0.0)
    assert masks(observed(made, arrived())) == {"watch tier on watch": None, "hub tier on hub": Mask.DEADLINE}


def test_an_escalation_goes_only_to_larger_tiers() -> None:
    made = scheduler(phone(tier(WATCH_TIER), tier(PHONE_TIER)), watch(), hub())
    asked = observed(made, arrived())
    step_one = chosen(ChoosePlan(observation=asked), index=2)
    assert asked.candidates[2].label == "phone tier on phone"
    made.handle(step_one, 0.0)
    doubt = events.StageFinished(
        request_id=asked.request_id, attempt=1, compute_s=0.004, load_s=0.0, score=0.5, anomalous=None, malformed=False
    )
    assert masks(observed(made, doubt)) == {
        "watch tier on phone": Mask.TOO_WEAK,
        "watch tier on watch": Mask.TOO_WEAK,
        "phone tier on phone": Mask.TOO_WEAK,
        "hub tier on hub": None,
    }


def test_a_weaker_tier_pays_for_its_share_of_escalations() -> None:
    asked = observed(scheduler(watch(), hub()), arrived())
    screen, last = (candidate.prediction for candidate in asked.candidates)
    assert screen.escalation_s == pytest.approx(0.1 * last.total_s)
    assert screen.weighted_joules > 0.1 * last.weighted_joules
    assert last.escalation_s == 0.0


def test_an_escalation_that_no_rule_allows_is_not_priced() -> None:
    asked = observed(scheduler(watch(), hub()), arrived(privacy=Privacy.DEVICE))
    assert asked.candidates[0].prediction.escalation_s == 0.0


def test_a_cold_model_costs_its_loading() -> None:
    made = scheduler(watch(), hub())
    made.handle(events.PeerHeard(node_id=hub().node_id, telemetry=replace(warm(hub()), warm=())), 0.0)
    assert [c.prediction.load_s for c in observed(made, arrived()).candidates] == [0.0, 0.05]


def test_the_wait_at_a_peer_is_what_it_said_less_the_time_since_or_what_was_sent_there() -> None:
    made = scheduler(watch(), hub())
    made.handle(met(hub(), backlog_s=0.5), 0.0)
    waits = [
        observed(made, arrived(name), now).candidates[1].prediction.queue_s for name, now in (("a", 0.0), ("b", 0.3))
    ]
    assert waits == [0.5, pytest.approx(0.2)]

    made.view.link_to(hub().node_id).outstanding = 100
    assert observed(made, arrived("c"), 0.6).candidates[1].prediction.queue_s == pytest.approx(100 * 0.008)


def test_an_emergency_does_not_wait_for_what_it_overtakes() -> None:
    made = scheduler(watch())
    for name in ("runs", "waits", "waits-too"):
        step(made, arrived(name, priority=BACKGROUND))
    waits = [observed(made, arrived(p, priority=p)).candidates[0].prediction.queue_s for p in (EMERGENCY, BACKGROUND)]
    assert waits == [pytest.approx(0.002), pytest.approx(0.008)]  # The emergency is one of those that wait.


def test_energy_counts_computing_and_both_ends_of_the_radio_with_their_wake_ups() -> None:
    made = scheduler(watch(), phone())
    made.handle(met(phone(), radio_awake=False), 0.0)
    here, there = (candidate.prediction for candidate in observed(made, arrived(privacy=Privacy.HOUSEHOLD)).candidates)
    sending, receiving, computing = 1e-3 + 1e-3, 1e-3 + 1e-3, 4e6 / 1e9 * 0.1
    assert there.joules == pytest.approx(sending + receiving + computing)
    assert here.joules == pytest.approx(1e6 / 1e9 * 0.1 + 0.1 * there.joules)


def test_a_joule_from_the_wall_counts_a_tenth() -> None:
    (own,) = observed(scheduler(hub()), arrived()).candidates
    assert own.prediction.weighted_joules == pytest.approx(0.1 * own.prediction.joules)


def test_a_request_takes_as_long_as_its_batch() -> None:
    one, many = (observed(scheduler(hub()), arrived(batch=batch)).candidates[0].prediction for batch in (1, 16))
    assert many.compute_s == pytest.approx(16 * one.compute_s)
    assert many.joules == pytest.approx(16 * one.joules)


def test_a_new_document_of_a_peer_replaces_what_it_hosts() -> None:
    made = scheduler(watch(), hub())
    made.handle(met(hub(tier(PHONE_TIER))), 0.0)
    assert list(masks(observed(made, arrived()))) == ["watch tier on watch", "phone tier on hub"]


def test_what_this_node_hosts_can_change() -> None:
    made = scheduler(watch())
    made.handle(events.ModelsChanged(hosted=()), 0.0)
    assert code_of(step(made, events.RequestArrived(request=request()))) == "unknown_model"


def test_regular_work_takes_the_cheapest_variant_that_meets_its_tier_and_its_deadline() -> None:
    screens = watch(tier(WATCH_TIER, escalation_rate=0.0)), phone(tier(PHONE_TIER, escalation_rate=0.0))
    made = scheduler(*screens, hub(tier(HUB_TIER, compute_s=0.2)))
    taken = {}
    for name, asked in {"any": {}, "phone": {"min_tier": PHONE_TIER}, "hub": {"min_tier": HUB_TIER}}.items():
        told = step(made, arrived(name, **asked))
        (chosen_node,) = [command.node_id if isinstance(command, Dispatch) else watch().node_id for command in told]
        taken[name] = chosen_node
    assert taken == {"any": "watch", "phone": "phone", "hub": "hub"}


def test_a_plan_that_nobody_can_follow_ends_in_a_failure_that_names_the_places_there_are() -> None:
    (finish,) = step(scheduler(watch(), hub()), arrived(plan="attic"))
    assert isinstance(finish, Finish)
    assert isinstance(finish.outcome, Failure)
    assert finish.outcome.code == "no_candidate"
    assert "'attic'" in finish.outcome.message
    assert "'hub', 'watch'" in finish.outcome.message


def test_a_second_of_a_background_request_costs_a_share_of_another_s() -> None:
    normal, background = (
        observed(scheduler(watch(), hub()), arrived(priority=priority)).candidates
        for priority in (Priority.NORMAL, BACKGROUND)
    )
    for one, other in zip(normal, background, strict=True):
        expected, patient = one.prediction, other.prediction
        assert expected.cost - patient.cost == pytest.approx(0.9 * 0.1 * expected.total_s)


def test_the_tail_of_a_radio_is_priced_whole_where_it_sleeps_and_half_where_it_is_awake() -> None:
    tail_joules = 0.5 * 0.1
    lingering = replace(watch().power, radio_tail_s=0.5, radio_tail_watts=0.1)
    made = scheduler(replace(watch(), power=lingering), hub())
    usual, with_tail = (
        observed(each, arrived("r1")).candidates[-1].prediction.own_joules for each in (scheduler(watch(), hub()), made)
    )
    assert with_tail - usual == pytest.approx(tail_joules)
    made.view.radio.used(0.0)
    awake = observed(made, arrived("r2")).candidates[-1].prediction.own_joules
    assert with_tail - awake == pytest.approx(tail_joules / 2 + lingering.radio_wake_joules)
