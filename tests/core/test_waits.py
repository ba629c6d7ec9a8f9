"""Background requests that wait for a cheaper moment: who may, for how long, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from meshd.core import events
from meshd.core.answer import Answer
from meshd.core.candidate import WAIT, Observation
from meshd.core.commands import ChoosePlan, Command, Dispatch, Finish, RunStage
from meshd.core.explanation import Choice, Wait
from meshd.core.ids import ArtifactHash, RequestId
from meshd.core.patience import margin_s
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import (
    DOUBT,
    HUB_TIER,
    WATCH_TIER,
    answered,
    arrived,
    chosen,
    finished,
    hub,
    scheduler,
    step,
    tier,
    watch,
)

NOW = 5.0
PATIENT: dict[str, Any] = {"priority": Priority.BACKGROUND, "deadline_s": 30.0}
QUIET: dict[str, Any] = {"heartbeat_interval_s": 1e6, "suspect_after_s": 1e7, "dead_after_s": 1e8}
"""Nobody is missed for the time that a test takes."""


def quiet(**settings: Any) -> Scheduler:
    return scheduler(watch(), hub(), settings=Settings(**{**QUIET, **settings}))


def asks(made: Scheduler, name: str = "r", now: float = NOW, **changes: Any) -> ChoosePlan:
    """What a policy is asked when a request arrives."""
    (asked,) = made.handle(arrived(name, **{**PATIENT, **changes}), now)
    assert isinstance(asked, ChoosePlan)
    return asked


def waits(made: Scheduler, name: str = "r", now: float = NOW, **changes: Any) -> ChoosePlan:
    asked = asks(made, name, now, **changes)
    assert made.handle(chosen(asked, WAIT), now) == []
    return asked


def sent_at_once(made: Scheduler, now: float) -> list[Command]:
    """An urgent request that is sent to the hub: it wakes the radio."""
    (asked,) = made.handle(arrived("urgent", min_tier=HUB_TIER, priority=Priority.EMERGENCY), now)
    assert isinstance(asked, Dispatch)
    return [asked]


def sampled(*, charging: bool) -> events.HostChanged:
    return events.HostChanged(
        warm=(ArtifactHash("artifact-watch"),),
        battery_fraction=0.5,
        charging=charging,
        free_memory_bytes=None,
    )


def choices(made: Scheduler, name: str = "r") -> list[Choice]:
    story = made.explanations.get(RequestId(name))
    assert story is not None
    return story.choices


def asked_again(told: list[Command]) -> Observation:
    """The one decision among what was commanded."""
    (observation,) = [command.observation for command in told if isinstance(command, ChoosePlan)]
    return observation


@pytest.mark.parametrize(
    "changes", [{"priority": Priority.NORMAL}, {"deadline_s": 0.1}, {"priority": Priority.EMERGENCY}]
)
def test_what_is_urgent_or_has_no_slack_may_not_wait(changes: dict[str, Any]) -> None:
    made = quiet()
    told = made.handle(arrived(**{**PATIENT, **changes}), NOW)
    assert [command.observation.wait_s for command in told if isinstance(command, ChoosePlan)] in ([], [None])


def test_what_a_peer_asks_may_not_wait() -> None:
    made = quiet()
    told = made.handle(arrived(**PATIENT, via=("phone",), start_tier=WATCH_TIER), NOW)
    assert [type(command) for command in told] == [RunStage]


def test_nobody_waits_where_the_owner_forbids_it() -> None:
    assert asks(quiet(max_wait_s=0.0)).observation.wait_s is None


def test_a_request_may_wait_as_long_as_the_owner_says_where_the_deadline_is_far() -> None:
    assert asks(quiet(max_wait_s=12.0)).observation.wait_s == 12.0


def test_a_deadline_leaves_time_for_the_soonest_way_cold_and_three_deviations_late() -> None:
    made = quiet()
    observation = asks(made).observation
    soonest = min(observation.candidates, key=lambda candidate: candidate.prediction.total_s)
    needed_s = soonest.prediction.total_s + 3.0 * soonest.prediction.deviation_s + soonest.tier.load_s
    assert observation.wait_s == pytest.approx(30.0 - needed_s - margin_s(30.0))


def test_of_those_that_wait_for_one_deadline_each_leaves_time_for_all_that_wait_already() -> None:
    made = quiet()
    first, second, third = (waits(made, name).observation.wait_s for name in ("a", "b", "c"))
    assert first is not None
    assert second is not None
    assert third is not None
    needed_s = PATIENT["deadline_s"] - margin_s(PATIENT["deadline_s"]) - first
    assert [first - second, second - third] == pytest.approx([needed_s, needed_s])


def test_to_wait_counts_as_a_choice_beside_the_only_way() -> None:
    made = scheduler(watch(), settings=Settings(**QUIET))
    assert waits(made).observation.mask == (True,)


def test_to_wait_is_no_answer_where_it_is_not_allowed() -> None:
    made = quiet()
    asked = asks(made, priority=Priority.NORMAL)
    (started,) = made.handle(chosen(asked, WAIT, policy="eager"), NOW)
    assert isinstance(started, RunStage)
    assert [(choice.policy, choice.note) for choice in choices(made)] == [
        ("least-expected-cost", "eager chose -1, which is not allowed")
    ]


def test_the_rule_that_serves_without_a_policy_never_waits() -> None:
    observation = asks(quiet()).observation
    assert observation.wait_s is not None
    assert LeastExpectedCost().choose(observation) in range(len(observation.candidates))


def test_a_wait_ends_when_it_may_last_no_longer_and_the_policy_is_asked_without_that_way_out() -> None:
    made = quiet(max_wait_s=12.0)
    waits(made)
    assert made.handle(events.TimePassed(), NOW + 11.9) == []
    again = asked_again(made.handle(events.TimePassed(), NOW + 12.0))
    assert again.wait_s is None
    assert again.remaining_s == pytest.approx(18.0)
    assert choices(made)[0].wait == Wait(since_s=NOW, at_most_s=12.0, waited_s=12.0, ended_by="it could wait no longer")


def test_a_wait_ends_when_the_radio_wakes_for_another() -> None:
    made = quiet()
    waits(made)
    told = made.handle(arrived("urgent", min_tier=HUB_TIER), NOW + 3.0)
    assert [type(command) for command in told] == [Dispatch, ChoosePlan]
    waited = choices(made)[0].wait
    assert waited is not None
    assert (waited.waited_s, waited.ended_by) == (3.0, "the radio woke")


def test_a_radio_that_is_only_kept_awake_ends_no_wait() -> None:
    made = quiet()
    made.handle(arrived("first", min_tier=HUB_TIER), NOW - 0.5)
    waits(made)
    told = made.handle(arrived("second", min_tier=HUB_TIER), NOW + 0.2)
    assert [type(command) for command in told] == [Dispatch]


def test_a_wait_ends_when_charging_begins_and_not_while_it_goes_on() -> None:
    made = quiet()
    made.handle(sampled(charging=False), NOW)
    waits(made)
    assert made.handle(sampled(charging=False), NOW + 1.0) == []
    (started,) = step(made, sampled(charging=True), NOW + 2.0)
    assert isinstance(started, RunStage)
    waits(made, "next", NOW + 3.0)
    assert made.handle(sampled(charging=True), NOW + 4.0) == []


def test_a_node_that_is_about_to_stop_lets_nobody_wait() -> None:
    made = quiet()
    waits(made)
    assert asked_again(made.handle(events.DrainRequested(), NOW + 1.0)).wait_s is None


def test_a_request_waits_once_even_if_its_first_answer_asks_for_another_look() -> None:
    made = quiet()
    waits(made)
    again = asked_again(made.handle(sampled(charging=True), NOW + 1.0))
    here = next(index for index, candidate in enumerate(again.candidates) if candidate.here)
    (started,) = made.handle(chosen(ChoosePlan(observation=again), here), NOW + 1.0)
    assert isinstance(started, RunStage)
    told = made.handle(finished(started.attempt, score=DOUBT), NOW + 1.1)
    assert [type(command) for command in told] == [Dispatch]
    assert [choice.observation.wait_s is None for choice in choices(made)] == [False, True, True]


def test_an_escalation_may_wait_and_its_smaller_answer_is_given_where_the_larger_cannot_be_had() -> None:
    made = quiet()
    (started,) = step(made, arrived(**PATIENT), NOW)
    assert isinstance(started, RunStage)
    (asked,) = made.handle(finished(started.attempt, score=DOUBT), NOW + 0.1)
    assert isinstance(asked, ChoosePlan)
    assert asked.observation.above is WATCH_TIER
    made.handle(chosen(asked, WAIT), NOW + 0.1)
    told = made.handle(events.PeerDisconnected(node_id=hub().node_id, left=True, reason="it left"), NOW + 1.0)
    assert [type(command).__name__ for command in told] == ["StandingChanged"]
    ended = made.handle(events.DrainRequested(), NOW + 2.0)
    assert [
        (type(c), c.outcome.degraded) for c in ended if isinstance(c, Finish) and isinstance(c.outcome, Answer)
    ] == [(Finish, True)]


def test_a_wait_that_is_withdrawn_ends_and_leaves_nothing() -> None:
    made = quiet()
    waits(made)
    (ended,) = made.handle(events.RequestCancelled(request_id=RequestId("r")), NOW + 1.0)
    assert isinstance(ended, Finish)
    assert made.alive_requests == 0
    assert made.handle(sampled(charging=True), NOW + 2.0) == []


def test_what_meets_a_defect_while_others_wait_costs_only_itself() -> None:
    made = quiet()
    waits(made, "broken")
    waits(made, "sound", NOW + 0.1)
    conductor, choose = made._conductor, made._conductor._chooser.choose

    def fails_for_one(life: Any, now: float) -> None:
        if life.request.request_id == "broken":
            raise KeyError
        choose(life, now)

    conductor._chooser.choose = fails_for_one  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        made.handle(sampled(charging=True), NOW + 1.0)
    (ended,) = made.give_up(sampled(charging=True), NOW + 1.0)
    assert isinstance(ended, Finish)
    assert ended.request_id == "broken"
    assert made.alive_requests == 1


def test_few_wait_at_a_time() -> None:
    made = quiet(max_queued=4)
    waits(made, "a")
    waits(made, "b")
    third = asks(made, "c").observation
    assert (third.wait_s, third.waiting) == (None, 2)


def test_what_was_said_of_an_offer_serves_only_who_may_wait_alike() -> None:
    made = quiet(max_queued=2)
    for number in range(50):
        told = made.handle(arrived(f"{number}", **PATIENT), NOW)
        if isinstance(told[0], ChoosePlan):
            told = made.handle(replace(chosen(told[0]), is_steady=True), NOW)
        assert isinstance(told[0], RunStage)
        made.handle(finished(told[0].attempt, name=f"{number}"), NOW)
    waits(made, "b", NOW + 0.1, input_bytes=1_000)
    (asked,) = made.handle(arrived("c", **PATIENT), NOW + 0.2)
    assert isinstance(asked, ChoosePlan)
    assert asked.observation.wait_s is None, "one waits, and that is as many as may"
    assert asked.observation.weighed_ago_s > 0.0


def test_to_wait_is_never_said_for_the_next_one_too() -> None:
    made = quiet()
    asked = asks(made, "a")
    made.handle(replace(chosen(asked, WAIT), is_steady=True), NOW)
    (next_asked,) = made.handle(arrived("b", **PATIENT), NOW + 0.1)
    assert isinstance(next_asked, ChoosePlan)


def test_seconds_of_a_wait_are_told_as_queue_and_teach_nothing() -> None:
    made = scheduler(watch(tier(HUB_TIER)), settings=Settings(**QUIET))
    waits(made)
    (started,) = made.handle(sampled(charging=True), NOW + 4.0)
    assert isinstance(started, RunStage)
    (ended,) = made.handle(finished(started.attempt, score=None), NOW + 4.01)
    assert isinstance(ended, Finish)
    assert isinstance(ended.outcome, Answer)
    assert ended.outcome.timings.queue_s == pytest.approx(4.0)
    assert not made.view.own.handling.is_known


def test_an_answer_that_comes_back_from_a_peer_tells_the_wait() -> None:
    made = quiet()
    waits(made, min_tier=HUB_TIER)
    (sent,) = made.handle(sampled(charging=True), NOW + 4.0)
    assert isinstance(sent, Dispatch)
    (ended,) = made.handle(answered(sent.attempt, hub()), NOW + 4.1)
    assert isinstance(ended, Finish)
    assert isinstance(ended.outcome, Answer)
    assert ended.outcome.timings.queue_s == pytest.approx(4.0)
