from math import inf
from typing import Any

import pytest

from meshd.core.candidate import Observation
from meshd.core.patience import last_call_s, margin_s, patience_s, seconds_there
from meshd.core.request import Priority
from meshd.core.settings import Settings
from tests.core.builders import HUB_TIER, arrived, hub, scheduler, watch


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
    seen = observation(deadline_s=0.03)
    assert last_call_s(seen, seen.candidates[1]) == inf
