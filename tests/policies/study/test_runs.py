from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import astuple

from policies.study.gain import gain
from policies.study.runs import MISSES, REWARD, Estimate, Runs
from policies.study.written import bounds, value
from tests.policies.study.played import run

SEEDS = range(5)


def test_what_an_arm_gains_is_told_world_by_world_however_worlds_differ() -> None:
    ours = [run("ours", seed, reward=-1.0 * seed, joules=0.5 + seed) for seed in SEEDS]
    theirs = [run("theirs", seed, reward=-1.0 * seed - 0.5, joules=1.0 + seed) for seed in SEEDS]
    gained = gain(Runs([*ours, *theirs]), "ours", "theirs", ["night"])
    assert (gained.reward.low, gained.reward.value, gained.reward.high) == pytest.approx((0.5, 0.5, 0.5))
    assert (gained.fewer_joules.low, gained.fewer_joules.high) == pytest.approx((0.5, 0.5))
    assert gained.share.value == pytest.approx(0.2)
    share, low, high, _ = astuple(gained.share)
    assert low < share < high
    assert gained.fewer_misses == Estimate(value=0.0, low=0.0, high=0.0)


def test_families_weigh_alike_however_many_worlds_they_have() -> None:
    many = [run("ours", seed, misses=0.2) for seed in range(9)]
    runs = Runs([*many, run("ours", 0, "home", misses=0.4)])
    assert runs.estimate("ours", MISSES, runs.families).value == pytest.approx(0.3)
    assert (runs.families, runs.n_worlds(runs.families)) == (["home", "night"], 10)


def test_it_does_not_matter_in_which_order_worlds_came() -> None:
    played = [run("ours", seed, reward=-float(seed)) for seed in SEEDS]
    there, back = (Runs(order).sample("ours", REWARD, ["night"]) for order in (played, played[::-1]))
    assert there.tolist() == back.tolist()


def test_fallbacks_are_told_as_shares_of_all_decisions() -> None:
    often = run("ours", 0, n_asked=30, fallbacks={"cost": 3})
    never = run("ours", 1, n_asked=10, fallbacks={"unlike_training": 1})
    runs = Runs([often, never, run("rule", 0, n_asked=0)])
    assert runs.fallbacks("ours", ["night"]) == {"cost": 0.075, "unlike_training": 0.025}
    assert runs.fallbacks("rule", ["night"]) == {}


def test_a_figure_that_some_redraws_do_not_have_says_how_many_do() -> None:
    assert Estimate.of(np.array([1.0, 1.0, np.nan, 1.0, 1.0])) == Estimate(value=1.0, low=1.0, high=1.0, told_by=0.75)
    assert Estimate.of(np.array([np.nan, 1.0])) is None


def test_a_single_world_of_a_family_tells_a_figure_and_no_interval() -> None:
    runs = Runs([run("ours", 0, misses=0.2), run("ours", 1, misses=0.2), run("ours", 0, "home", misses=0.4)])
    assert bounds(runs.estimate("ours", MISSES, ["night"]), ".1%") == "20.0% … 20.0%"
    overall = runs.estimate("ours", MISSES, runs.families)
    assert (value(overall, ".1%"), bounds(overall, ".1%")) == ("30.0%", "n/a")
