from __future__ import annotations

from math import inf
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the environment needs the `train` extra")

from meshd.core.candidate import WAIT
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority
from policies.env import Terms
from policies.labels import Labels, Lookout, future_cost, label_world
from policies.simulator import Simulator
from tests.policies.simulator.playing import play
from tests.policies.simulator.worlds import arrival, scenario
from tests.policies.small_worlds import COMMUTING, minute

RULE = LeastExpectedCost()


def test_the_rules_own_choice_costs_what_the_rule_then_costs_and_trying_changes_nothing() -> None:
    simulator = Simulator(minute())
    choice = simulator.next_choice()
    assert choice is not None
    before, index = simulator.costs.cost, RULE.choose(choice.observation)
    expected = future_cost(simulator, index, rule=RULE, look_ahead_s=inf, rate_per_s=0.0)
    play(simulator, RULE.choose)
    assert expected == pytest.approx(simulator.costs.cost - before)


def test_a_request_that_waits_is_charged_beyond_the_end_of_what_is_looked_at() -> None:
    simulator = Simulator(scenario(arrival(0, 1.0, priority=Priority.BACKGROUND, deadline_s=9.0)))
    assert simulator.next_choice() is not None
    short, long = (
        future_cost(simulator, WAIT, rule=RULE, look_ahead_s=look_ahead_s, rate_per_s=0.0)
        for look_ahead_s in (0.01, 60.0)
    )
    assert short == pytest.approx(long)


def test_labels_know_the_allowed_ways_of_some_decisions_and_keep(tmp_path: Path) -> None:
    lookout = Lookout(look_ahead_s=1.0, share=0.05)
    labels = label_world(COMMUTING, (0, 0), Terms(), lookout)
    assert len(labels) > 0
    assert (np.isfinite(labels.costs).sum(axis=1) <= lookout.most_ways + 1).all()
    assert (labels.regrets.min(axis=1) == 0.0).all()
    labels.save(tmp_path / "labels.npz")
    again = Labels.load(tmp_path / "labels.npz")
    assert np.array_equal(again.seen, labels.seen)
    assert np.array_equal(again.costs, labels.costs)
