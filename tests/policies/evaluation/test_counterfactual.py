from __future__ import annotations

from collections.abc import Collection

import pytest

from meshd.core.candidate import Observation
from meshd.core.mesh_view import MeshView
from meshd.core.policy import LeastExpectedCost, Policy
from policies.baselines.earliest_finish import EarliestFinish
from policies.baselines.linucb import LinUcb, LinUcbParameters
from policies.baselines.rungs import allowed
from policies.baselines.single_node import SingleNode, SingleNodeParameters
from policies.evaluation.counterfactual import Counterfactual, Pair
from policies.evaluation.minds import MakePolicy, Minds
from policies.evaluation.play import play
from policies.scenario import Scenario
from policies.simulator.terrain import number_of
from tests.policies.simulator.worlds import arrival, scenario
from tests.policies.small_worlds import minute


def here() -> SingleNode:
    """Everything on the node that is asked."""
    return SingleNode(SingleNodeParameters(where="here"))


class Led:
    """A policy that leads some requests by another's rule."""

    name = "led"
    is_steady = False

    def __init__(self, by: Policy, requests: Collection[int], others_by: Policy) -> None:
        self._by = by
        self._requests = requests
        self._others_by = others_by

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return what either says."""
        is_led = number_of(observation.request_id) in self._requests
        return (self._by if is_led else self._others_by).choose(observation, view, now)


class Dearest:
    """Take what is predicted to cost the most."""

    name = "dearest"
    is_steady = False

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the index."""
        return max(allowed(observation), key=lambda index: observation.candidates[index].prediction.cost)


def pairs(world: Scenario, make: MakePolicy, requests: Collection[int]) -> dict[int, Pair]:
    counterfactual = Counterfactual(Minds(here), requests)
    costs = play(world, make, beside=counterfactual)
    ended = [entry.request for entry in costs.ends if entry.request in requests]
    return dict(zip(ended, counterfactual.pairs(costs), strict=True))


def test_the_one_request_that_was_led_astray_is_worse_off_and_no_other() -> None:
    world = scenario(arrival(0, 1.0), arrival(1, 3.0), arrival(2, 5.0))
    found = pairs(world, lambda: Led(Dearest(), {1}, here()), range(3))
    alone = play(world, here).by_request()
    assert {number: pair.single for number, pair in found.items()} == pytest.approx(alone)
    assert [found[number].own == found[number].single for number in range(3)] == [True, False, True]
    assert found[1].own > 10.0 * found[1].single


@pytest.mark.parametrize("make", [LeastExpectedCost, Dearest, lambda: LinUcb(LinUcbParameters(curiosity=0.3))])
def test_a_request_would_have_cost_what_it_costs_where_it_alone_goes_by_the_single_nodes_rule(make: MakePolicy) -> None:
    world = minute(seed=3)
    found = pairs(world, make, range(0, len(world.arrivals), 3))
    own = play(world, make).by_request()
    assert {number: pair.own for number, pair in found.items()} == {number: own[number] for number in found}
    others = [number for number, pair in found.items() if pair.own != pair.single][:4]
    assert others
    for number in others:
        led = play(world, lambda: _led_alone(number, make())).by_request()  # noqa: B023 - called at once
        assert found[number].single == pytest.approx(led[number])


@pytest.mark.parametrize("make", [lambda: LinUcb(LinUcbParameters(curiosity=0.3)), EarliestFinish])
def test_looking_on_changes_nothing_of_what_a_policy_plays(make: MakePolicy) -> None:
    world = minute(seed=5)
    looked_at = play(world, make, beside=Counterfactual(Minds(here), range(0, len(world.arrivals), 3)))
    assert looked_at.since() == play(world, make).since()


def _led_alone(number: int, others_by: Policy) -> Policy:
    return Led(here(), {number}, others_by)
