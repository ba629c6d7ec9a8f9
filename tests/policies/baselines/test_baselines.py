from __future__ import annotations

from math import inf

import msgspec
import pytest

from meshd.core.policy import LeastExpectedCost
from policies.baselines import BASELINES, Learner
from policies.baselines.provident import Provident, ProvidentParameters
from policies.baselines.tuned import learned, tuned
from policies.evaluation.play import play
from policies.scenario import Scenario, draw, family_names
from tests.policies.simulator.worlds import first_minute


@pytest.fixture(scope="module")
def world() -> Scenario:
    return first_minute(draw("home", 1))


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_plays_a_world_to_its_end_and_twice_the_same(name: str, world: Scenario) -> None:
    costs = [play(world, lambda: BASELINES[name].policy({}, learned(name))) for _ in range(2)]
    assert costs[0].by_request() == costs[1].by_request()
    assert len(list(costs[0].ends)) == len(world.arrivals)


def test_the_strongest_rule_is_the_daemons_until_it_is_tuned(world: Scenario) -> None:
    plain = play(world, lambda: Provident(ProvidentParameters()))
    assert plain.by_request() == play(world, LeastExpectedCost).by_request()


@pytest.mark.parametrize("name", [name for name, baseline in BASELINES.items() if baseline.parameters is not None])
@pytest.mark.parametrize("family", [*family_names(), "somebody's own"])
def test_what_was_tuned_are_parameters_that_the_baseline_has(name: str, family: str) -> None:
    BASELINES[name].policy(tuned(name, family), learned(name))


@pytest.mark.parametrize("name", [name for name, baseline in BASELINES.items() if baseline.space])
def test_all_that_is_tried_in_tuning_is_a_parameter_of_the_baseline(name: str) -> None:
    baseline = BASELINES[name]
    for parameter, values in baseline.space.items():
        for value in values:
            baseline.policy({parameter: value})


def test_a_parameter_that_a_baseline_does_not_have_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        BASELINES["provident"].policy({"risk_sprad": 1.0})


@pytest.mark.parametrize("name", [name for name, baseline in BASELINES.items() if baseline.memory is not None])
def test_who_learns_changes_what_it_knows_by_what_requests_have_cost(name: str, world: Scenario) -> None:
    policy = BASELINES[name].policy({})
    assert isinstance(policy, Learner)
    before = msgspec.json.encode(policy.memory)
    play(world, lambda: policy)
    assert msgspec.json.encode(policy.memory) != before


def test_what_was_learned_goes_on_where_it_was_kept(world: Scenario) -> None:
    policy = BASELINES["autoscale"].policy({"curiosity": 0.0})
    assert isinstance(policy, Learner)
    play(world, lambda: policy)
    again = BASELINES["autoscale"].policy({}, policy.memory)
    assert isinstance(again, Learner)
    assert again.memory == policy.memory


def test_a_learner_that_is_not_to_remember_begins_with_nothing() -> None:
    for name in ("linucb", "autoscale"):
        known, new = learned(name), BASELINES[name].policy({})
        forgetful = BASELINES[name].policy({"remembers": False}, known)
        assert isinstance(forgetful, Learner)
        assert isinstance(new, Learner)
        assert forgetful.memory == new.memory != known


def test_a_place_that_was_never_tried_is_tried_or_believed_to_cost_what_is_predicted(world: Scenario) -> None:
    played = [
        play(world, lambda: BASELINES["autoscale"].policy({"curiosity": 0.0, "trusts_predictions": trusts}))  # noqa: B023
        for trusts in (False, True)
    ]
    assert played[0].by_request() != played[1].by_request()


def test_patience_waits_for_what_is_dear_and_for_nothing_where_nothing_is_dear_enough() -> None:
    world = first_minute(draw("flaky_radio", 0))
    plain, hurried, patient = (
        play(world, lambda: Provident(ProvidentParameters(wait_above_joules=joules)))  # noqa: B023
        for joules in (inf, 1e6, 0.0)
    )
    assert plain.by_request() == hurried.by_request() != patient.by_request()


def test_deferral_waits_where_the_core_allows_it_and_every_request_still_ends_once() -> None:
    world, patient = first_minute(draw("flaky_radio", 0)), ProvidentParameters(wait_gain=1e6)
    costs = play(world, lambda: Provident(patient))
    assert sorted(ended.request for ended in costs.ends) == list(range(len(world.arrivals)))
    assert costs.by_request() != play(world, LeastExpectedCost).by_request()
