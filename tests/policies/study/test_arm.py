from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from meshd.policy.guard import Why
from meshd.policy.record import Limits
from policies.evaluation.contender import Contender
from policies.evaluation.worlds import World
from policies.study.altered import Alteration
from policies.study.arm import Arm, contenders
from policies.study.trial import Trial, play_trial
from tests.policies.small_worlds import minute

RULE = Contender(name="least-expected-cost")


def test_other_prices_change_nothing_else_of_a_world() -> None:
    world = minute()
    dear = Arm(name="dear", contender=RULE, price_factor=2.0).world(world)
    assert (dear.settings.latency_price_watts, dear.settings.miss_price_joules, dear.missed_anomaly_joules) == (
        2.0 * world.settings.latency_price_watts,
        2.0 * world.settings.miss_price_joules,
        2.0 * world.missed_anomaly_joules,
    )
    unpriced = replace(dear, settings=world.settings, missed_anomaly_joules=world.missed_anomaly_joules)
    assert unpriced == world
    assert Arm(name="plain", contender=RULE).world(world) == world


def test_a_policy_is_called_by_its_files_name_and_stands_beside_the_rules_once() -> None:
    assert list(contenders("some/where/mine.onnx")) == ["mine", "least-expected-cost", "provident"]
    assert list(contenders("provident")) == ["provident", "least-expected-cost"]


def test_what_a_guard_does_not_let_pass_is_counted(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the convert extra")
    from tests.policy.networks import liking, linear, saved  # noqa: PLC0415

    dearest = linear(liking(cost_joules=1.0, is_wait=-50.0))
    path = saved(tmp_path, dearest, limits=Limits(relative=0.0, absolute_joules=0.0))
    arms = (
        Arm(name="guarded", contender=Contender(name=str(path))),
        Arm(name="loose", contender=Contender(name=str(path)), alteration=Alteration(n_ways=1)),
        Arm(name="rule", contender=RULE),
    )
    guarded, loose, rule = play_trial(Trial(world=World(family="garden", seed=0, contenders=()), arms=arms))
    assert guarded.fallbacks.keys() == {Why.COST}
    assert guarded.fallbacks[Why.COST] <= guarded.n_asked
    assert (loose.fallbacks, rule.fallbacks, rule.n_asked) == ({}, {}, 0)
    assert guarded.reward == rule.reward == loose.reward


def test_a_policy_hears_nothing_of_what_is_counted() -> None:
    assert Arm(name="rule", contender=RULE).policy("home", Counter()).name == "least-expected-cost"
