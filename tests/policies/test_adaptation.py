"""Worlds that are not as they say, and what is measured of a correction by experience on them."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from meshd.core.policy import LeastExpectedCost
from meshd.policy.adaptation import Adapted
from meshd.policy.experience import Experience
from policies.adaptation import Played, World, gains_of
from policies.evaluation.contender import Contender
from policies.evaluation.minds import Minds
from policies.scenario import Scenario
from policies.scenario.unlike import Unlike, made_unlike
from policies.simulator import Simulator
from tests.core.builders import tier, watch
from tests.policies.simulator.playing import play
from tests.policies.simulator.worlds import arrival, node, scenario

ASKED = tuple(arrival(n, 1.0 + n) for n in range(20))
ALONE = scenario(*ASKED, nodes=(node(watch()),), links=(), horizon_s=30.0)


def waited_s(world: Scenario) -> list[float]:
    simulator = Simulator(world)
    play(simulator)
    return [ended.seconds for ended in simulator.costs.ends]


def test_a_node_that_understates_takes_twice_as_long_and_says_what_it_said_before() -> None:
    understating = made_unlike(ALONE, Unlike.UNDERSTATES)
    assert waited_s(understating) == pytest.approx([2.0 * seconds for seconds in waited_s(ALONE)])
    simulator = Simulator(understating)
    while simulator.next_choice() is not None:
        pass
    (device,) = simulator._world.devices.values()
    (hosted,) = watch().hosted
    assert device.view.own.item_s(hosted) == pytest.approx(tier(hosted.tier).compute_s, rel=0.05)


def test_a_third_of_what_a_node_runs_comes_to_nothing_where_it_fails() -> None:
    simulator = Simulator(made_unlike(ALONE, Unlike.FAILS))
    play(simulator)
    n_missed = sum(ended.is_missed for ended in simulator.costs.ends)
    assert 2 <= n_missed <= 12


def test_a_node_that_dozes_stalls_and_resumes_in_turns_and_what_was_to_happen_happens_too() -> None:
    world = made_unlike(ALONE, Unlike.DOZES)
    moments_s = [happening.at_s for happening in world.happenings]
    assert moments_s == sorted(moments_s)
    assert [h.kind.value for h in world.happenings[:4]] == ["stalls", "resumes", "stalls", "resumes"]
    assert made_unlike(ALONE, Unlike.NOTHING) is ALONE


def test_policies_that_adapt_hear_of_the_ends_of_their_own_nodes_requests_and_remember_them() -> None:
    def make() -> Adapted:
        return Adapted(LeastExpectedCost(), trio.settings, Experience("p"))

    trio = scenario(*ASKED, horizon_s=30.0)
    first = played(trio, Minds(make))
    (kept,) = first.kept.values()
    again = played(trio, Minds(make, first.kept))
    n_first, n_again = (sum(t.lessons for t in minds.kept[trio.nodes[0].node_id].tallies) for minds in (first, again))
    assert len(kept.tallies) == 1
    assert n_first == pytest.approx(20.0, rel=0.05)
    assert n_again == pytest.approx(40.0, rel=0.05)


def played(world: Scenario, minds: Minds) -> Minds:
    simulator = Simulator(world)
    while (choice := simulator.next_choice()) is not None:
        simulator.choose(minds.choose(choice, simulator))
    minds.hear(simulator.costs)
    return minds


def test_gains_are_shares_of_what_a_family_costs_and_families_weigh_alike() -> None:
    world = World(unlike=Unlike.FAILS, family="a", seed=0, policy=Contender(name="least-expected-cost"))
    ones = [
        Played(world=replace(world, family=family, seed=seed), plain=plain, fresh=0.9 * plain, experienced=plain)
        for family, plain in (("a", 1.0), ("b", 100.0))
        for seed in range(3)
    ]
    a, b, everything = gains_of(ones)
    assert [gain.family for gain in (a, b, everything)] == ["a", "b", "all"]
    assert [gain.fresh[0] for gain in (a, b, everything)] == pytest.approx([0.1, 0.1, 0.1])
    assert everything.cost == pytest.approx(50.5)
    assert everything.experienced == (0.0, 0.0, 0.0)
    assert np.ptp([*everything.fresh]) == pytest.approx(0.0, abs=1e-9)
