from math import inf
from typing import Any

import pytest

from meshd.core.candidate import Observation
from meshd.core.explanation import Choice
from meshd.core.ids import NodeId
from meshd.core.life import Life, Reached
from meshd.core.patience import (
    last_call_s,
    last_moment_s,
    margin_s,
    patience_s,
    seconds_there,
    wait_for_all_s,
    wait_for_rest_s,
)
from meshd.core.plan import Leg
from meshd.core.request import Priority
from meshd.core.settings import Settings
from tests.core.builders import HUB_TIER, arrived, hub, request, scheduler, watch
from tests.core.parts import cut_tier, life_of


def observation(**asked: Any) -> Observation:
    made = scheduler(watch(), hub())
    made.handle(arrived(**asked), 0.0)
    story = made.explanations.latest()
    assert story is not None
    return story.choices[0].observation


@pytest.mark.parametrize(("deadline_s", "expected"), [(0.1, 0.005), (0.4, 0.02), (60.0, 0.02)])
def test_a_twentieth_of_the_deadline_is_kept_back_and_at_most_20_ms(deadline_s: float, expected: float) -> None:
    assert margin_s(deadline_s) == pytest.approx(expected)


def test_a_peer_gets_the_time_that_is_left_less_the_way_there_and_back() -> None:
    there = observation().candidates[1].prediction
    assert seconds_there(1.0, there.transfer_s) == pytest.approx(1.0 - 0.02 - there.transfer_s)


def test_a_peer_always_gets_some_time() -> None:
    there = observation().candidates[1].prediction
    assert seconds_there(there.transfer_s / 2, there.transfer_s) > 0.0


def test_patience_lasts_several_times_as_long_as_predicted_and_never_less_than_its_floor() -> None:
    seen = observation()
    there = seen.candidates[1]
    assert patience_s(Settings(), seen, there) == 0.25
    expected = 8.0 * there.prediction.total_s + 3.0 * there.prediction.deviation_s
    assert patience_s(Settings(patience_factor=8.0, patience_floor_s=0.01), seen, there) == pytest.approx(expected)


@pytest.mark.parametrize("priority", [Priority.NORMAL, Priority.EMERGENCY])
def test_the_last_call_leaves_just_enough_time_for_another_way(priority: Priority) -> None:
    seen = observation(priority=priority)
    here, there = seen.candidates
    way_out_s = here.prediction.first_s + 2.0 * here.prediction.deviation_s
    assert last_call_s(seen, there) == pytest.approx(1.0 - 0.02 - way_out_s)


def test_there_is_no_last_call_without_another_way() -> None:
    seen = observation(min_tier=HUB_TIER)
    assert last_call_s(seen, seen.candidates[1]) == inf


def test_there_is_no_last_call_when_it_would_leave_the_chosen_one_no_time() -> None:
    seen = observation(deadline_s=0.04)
    assert last_call_s(seen, seen.candidates[1]) == inf


def test_the_last_call_counts_where_the_chosen_one_is_expected_too_late() -> None:
    assert last_moment_s(remaining_s=1.0, way_out_s=0.4, total_s=0.9) == inf
    assert last_moment_s(remaining_s=1.0, way_out_s=0.4, total_s=1.1) == pytest.approx(1.0 - 0.02 - 0.4)
    assert last_moment_s(remaining_s=1.0, way_out_s=1.2, total_s=1.1) == inf


# -- the rest of a plan ----------------------------------------------------------------------------------------------


CUT = cut_tier([0.01, 0.01, 0.01], [1_000, 1_000])


def leg(name: str, first: int, last: int) -> Leg:
    return Leg(node_id=NodeId(name), node=name, first=first, last=last, compute_s=0.01, transfer_s=0.02)


def reached(deadline_s: float, stage: int = 1, batch: int = 1) -> Life:
    at = Reached(tier=CUT, stage=stage, attempt=1, n_bytes=1_000)
    return life_of(request(deadline_s=deadline_s, batch=batch), reached=at)


def test_the_floor_of_patience_grows_with_every_leg_so_that_the_one_nearer_to_the_loss_gives_up_first() -> None:
    one, two = (leg("kitchen", 1, 3),), (leg("kitchen", 1, 2), leg("cellar", 2, 3))
    assert wait_for_rest_s(Settings(), reached(60.0), one, 0.0) == 0.25
    assert wait_for_rest_s(Settings(), reached(60.0), two, 0.0) == 0.5


def test_the_rest_of_a_plan_is_waited_for_as_long_as_it_can_still_be_run_here() -> None:
    rest = (leg("kitchen", 1, 3),)
    assert wait_for_rest_s(Settings(), reached(0.2), rest, 0.0) == pytest.approx(0.2 - 0.01 - 2.0 * 0.02)


def test_a_rest_that_this_node_could_not_run_in_time_is_waited_for_with_plain_patience() -> None:
    rest = (leg("kitchen", 1, 3),)
    assert wait_for_rest_s(Settings(), reached(0.2, batch=10), rest, 0.0) == 0.25


def test_two_that_race_are_given_up_only_when_neither_leaves_time_for_a_third_way() -> None:
    seen = observation(priority=Priority.EMERGENCY)
    life = life_of(request(), choice=Choice(observation=seen))
    here, there = seen.candidates
    way_out_s = here.prediction.first_s + 2.0 * here.prediction.deviation_s
    patient = Settings(patience_floor_s=60.0)
    assert wait_for_all_s(patient, life, (there,)) == pytest.approx(1.0 - 0.02 - way_out_s)
    assert wait_for_all_s(patient, life, (here, there)) == max(patience_s(patient, seen, c) for c in (here, there))
