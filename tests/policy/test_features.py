"""What a network is given, held against the observation and the view that it is computed from."""

from __future__ import annotations

from math import copysign, log1p
from typing import Any

import numpy as np
import pytest
from msgspec.structs import astuple, replace

from meshd.core import events
from meshd.core.candidate import WAIT, Observation
from meshd.core.commands import ChoosePlan, RunStage
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority
from meshd.core.scheduler import Scheduler
from meshd.policy.features import Features, features
from meshd.policy.layout import CANDIDATE, CONTEXT, Bend, Feature, column, context_column
from tests.core.builders import (
    HUB_TIER,
    PHONE_TIER,
    arrived,
    finished,
    hub,
    met,
    phone,
    scheduler,
    step,
    warm,
    watch,
)

NOW = 5.0
PREDICTED = CANDIDATE[: column("total_s")]


def asked(made: Scheduler, now: float = NOW, **changes: Any) -> Observation:
    (command,) = [told for told in made.handle(arrived(**changes), now) if isinstance(told, ChoosePlan)]
    return command.observation


def bent(feature: Feature, raw: float) -> float:
    x = raw / feature.unit
    bends = {Bend.LOG: log1p(max(x, 0.0)), Bend.SIGNED: copysign(log1p(abs(x)), x), Bend.LINEAR: x}
    return max(-feature.most, min(feature.most, bends[feature.bend]))


def told(seen: Features, row: int, name: str) -> float:
    return float(seen.candidates[row, column(name)])


def context(seen: Features, name: str) -> float:
    return float(seen.context[context_column(name)])


def about(feature: Feature, raw: float) -> Any:
    return pytest.approx(bent(feature, raw), rel=1e-5, abs=1e-6)


def of(name: str) -> Feature:
    return CANDIDATE[column(name)]


def test_what_was_predicted_of_a_candidate_stands_first_in_its_row() -> None:
    made = scheduler(watch(), phone(), hub())
    observation = asked(made)
    seen = features(observation, made.view, NOW)
    for row, candidate in enumerate(observation.candidates):
        predicted = astuple(candidate.prediction)
        for feature, raw, given in zip(PREDICTED, predicted, seen.candidates[row], strict=False):
            assert given == about(feature, raw), feature.name
        total_s = candidate.prediction.total_s
        assert told(seen, row, "total_s") == about(of("total_s"), total_s)
        assert told(seen, row, "slack_s") == about(of("slack_s"), observation.remaining_s - total_s)


def test_there_is_a_row_for_each_candidate_and_one_for_waiting_behind_them() -> None:
    made = scheduler(watch(), hub())
    observation = asked(made, priority=Priority.BACKGROUND, deadline_s=30.0)
    seen = features(observation, made.view, NOW)
    assert seen.candidates.shape == (len(observation.candidates) + 1, len(CANDIDATE))
    assert seen.context.shape == (len(CONTEXT),)
    assert seen.candidates.dtype == seen.context.dtype == np.float32
    assert seen.ways == (0, 1, WAIT)
    assert [told(seen, row, "is_wait") for row in range(3)] == [0.0, 0.0, 1.0]
    assert observation.wait_s is not None
    assert told(seen, 2, "total_s") == about(of("total_s"), observation.wait_s)
    assert context(seen, "may_wait") == 1.0


def test_what_may_not_be_chosen_has_no_row() -> None:
    made = scheduler(watch(), phone(), hub())
    observation = asked(made, min_tier=PHONE_TIER)
    seen = features(observation, made.view, NOW)
    assert observation.mask == (False, True, True)
    assert seen.ways == (1, 2)
    assert [told(seen, row, "is_allowed") for row in range(2)] == [1.0, 1.0]


def test_the_choice_of_the_rule_is_marked_and_all_costs_are_told_against_it() -> None:
    made = scheduler(watch(), phone(), hub())
    observation = asked(made)
    seen = features(observation, made.view, NOW)
    assert seen.rule == LeastExpectedCost().choose(observation)
    assert [told(seen, row, "is_rule") for row in range(3)] == [float(row == seen.rule) for row in range(3)]
    rule_cost = observation.candidates[seen.rule].prediction.cost
    for row, candidate in enumerate(observation.candidates):
        above = about(of("cost_above_rule_joules"), candidate.prediction.cost - rule_cost)
        assert told(seen, row, "cost_above_rule_joules") == above


def test_a_row_tells_of_the_node_that_ends_it_and_how_old_that_is() -> None:
    made = scheduler(watch(), hub())
    made.handle(met(phone(), battery_fraction=0.4, charging=True, radio_awake=False, backlog_s=3.0, running=1), 4.0)
    observation = asked(made, deadline_s=30.0)
    seen = features(observation, made.view, NOW)
    row = next(row for row, candidate in enumerate(observation.candidates) if candidate.tier.tier is PHONE_TIER)
    expected = {
        "node_heard_ago_s": 1.0,
        "node_backlog_s": 2.0,
        "node_alive": 1.0,
        "node_battery_joules": 1_600.0,
        "node_wake_joules": 1e-3,
        "node_on_battery": 1.0,
        "node_battery_fraction": 0.4,
        "node_is_charging": 1.0,
        "node_radio_awake": 0.0,
        "node_rank": 1.0,
        "is_here": 0.0,
        "is_rate_assumed": 1.0,
        "is_time_measured": 0.0,
    }
    assert {name: told(seen, row, name) for name in expected} == {
        name: about(of(name), raw) for name, raw in expected.items()
    }
    hub_row = next(row for row, candidate in enumerate(observation.candidates) if candidate.tier.tier is HUB_TIER)
    assert (told(seen, hub_row, "node_on_battery"), told(seen, hub_row, "node_battery_fraction")) == (0.0, 1.0)


def test_what_was_learned_of_a_time_and_of_a_rate_is_seen() -> None:
    made = scheduler(watch(), hub())
    before = features(asked(made, name="first"), made.view, NOW)
    for number in range(20):
        (hosted,) = watch().hosted
        made.view.escalations.learn(hosted, escalated=number >= 15, now=NOW)
    made.view.learn_compute(watch().node_id, watch().hosted[0], 0.002, NOW)
    after = features(asked(made, name="second"), made.view, NOW + 1.0)
    assert (told(before, 0, "is_time_measured"), told(after, 0, "is_time_measured")) == (0.0, 1.0)
    assert told(after, 0, "estimate_age_s") == about(of("estimate_age_s"), 1.0)
    assert told(before, 0, "escalation_trend") == 0.0
    assert told(after, 0, "escalation_trend") > 0.3
    assert told(after, 0, "escalation_rate") > told(before, 0, "escalation_rate")


def test_the_context_tells_of_the_request_and_of_this_node() -> None:
    made = scheduler(watch(), hub())
    made.handle(
        events.HostChanged(warm=warm(watch()).warm, battery_fraction=0.3, charging=False, free_memory_bytes=None), 1.0
    )
    made.view.radio.used(NOW - 0.5)
    observation = asked(made, priority=Priority.BACKGROUND, deadline_s=30.0, input_bytes=5_000)
    seen = features(observation, made.view, NOW)
    expected = {
        "remaining_s": 30.0,
        "input_bytes": 5_000.0,
        "arrivals_lately": 1.0,
        "radio_idle_s": 0.5,
        "own_battery_joules": 1_200.0,
        "is_background": 1.0,
        "is_emergency": 0.0,
        "above_rank": 0.0,
        "own_battery_fraction": 0.3,
        "own_above_floor": 0.2,
        "own_on_battery": 1.0,
        "own_radio_awake": 1.0,
        "mains_joule_weight": 0.1,
    }
    assert {name: context(seen, name) for name in expected} == {
        name: about(CONTEXT[context_column(name)], raw) for name, raw in expected.items()
    }


def test_a_decision_about_an_escalation_tells_above_what() -> None:
    made = scheduler(watch(), phone(), hub())
    (started,) = step(made, arrived(), NOW)
    assert isinstance(started, RunStage)
    (again,) = made.handle(finished(started.attempt, score=0.5), NOW)
    assert isinstance(again, ChoosePlan)
    assert context(features(again.observation, made.view, NOW), "above_rank") == 0.25


@pytest.mark.parametrize("now", [NOW, -1e9, 1e12])
def test_whatever_peers_say_of_themselves_figures_are_finite_and_bounded(now: float) -> None:
    made = scheduler(watch(), hub())
    made.handle(met(phone(), backlog_s=1e9, queued=2**62, running=2**62, battery_fraction=0.0), NOW)
    observation = asked(made, priority=Priority.BACKGROUND, deadline_s=1e9, input_bytes=2**40)
    dear = replace(observation.candidates[0].prediction, joules=1e300, own_joules=1e300, cost=1e300)
    candidates = (replace(observation.candidates[0], prediction=dear), *observation.candidates[1:])
    hostile = replace(observation, remaining_s=-1e9, weighed_ago_s=1e9, candidates=candidates)
    for seen in (features(observation, made.view, now), features(hostile, made.view, now)):
        assert np.isfinite(seen.candidates).all()
        assert (np.abs(seen.candidates) <= [feature.most for feature in CANDIDATE]).all()
        assert (np.abs(seen.context) <= [feature.most for feature in CONTEXT]).all()
