from __future__ import annotations

from math import inf
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the environment needs the `train` extra")

from msgspec.structs import replace

from meshd.core.candidate import WAIT, Observation
from meshd.core.mesh_view import MeshView
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority
from meshd.policy.record import Limits
from policies.labels import Labels, Lookout, joined_labels, label_world
from policies.scenario import Scenario
from policies.simulator import Simulator
from policies.tries import Track
from tests.policies.simulator.worlds import arrival, scenario
from tests.policies.small_worlds import minute

RULE = LeastExpectedCost()
ALL = Lookout(share=1.0)


class Deviates:
    """The heuristic but for one decision."""

    name = "deviates"
    is_steady = False

    def __init__(self, at: int, choice: int) -> None:
        self._left = at
        self._choice = choice

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        self._left -= 1
        return self._choice if self._left == -1 else RULE.choose(observation, view, now)


def cost_of(world: Scenario, at: int, choice: int) -> float:
    """What a world costs whose decision of this number is another."""
    return Track.of(world, Deviates(at, choice)).cost


def ways_of(world: Scenario) -> list[list[int]]:
    """What is allowed at each decision of the heuristic's track."""
    found, simulator = list[list[int]](), Simulator(world)
    while (asked := simulator.next_choice()) is not None:
        allowed = [index for index, one in enumerate(asked.observation.candidates) if one.allowed]
        found.append(allowed + ([WAIT] if asked.observation.wait_s is not None else []))
        simulator.choose(RULE.choose(asked.observation))
    return found


def test_a_way_costs_what_the_world_then_costs_more_and_the_own_nothing() -> None:
    world = scenario(arrival(0, 1.0), arrival(1, 1.5), arrival(2, 6.0))
    track, labels = Track.of(world, RULE), label_world(world, RULE, ALL, seed=0)
    assert len(labels) == len(track.marks) == 3
    for number, (ways, costs) in enumerate(zip(ways_of(world), labels.costs, strict=True)):
        expected = [cost_of(world, number, way) - track.cost for way in ways]
        assert costs[: len(ways)] == pytest.approx(expected, abs=1e-6)
        assert costs[ways.index(track.marks[number].choice)] == 0.0
        assert (costs[len(ways) :] == inf).all()


def test_what_a_guard_would_refuse_is_not_tried() -> None:
    world = scenario(arrival(0, 1.0), arrival(1, 1.5, priority=Priority.BACKGROUND, deadline_s=40.0))
    refusing = replace(ALL, limits=Limits(relative=0.0, absolute_joules=-1.0))
    (tried,) = np.isfinite(label_world(world, RULE, refusing, seed=0).costs)
    assert tried.sum() == 2, "its own way and to wait; where it may not wait there is nothing to learn"
    assert tried[-1]


def test_a_request_that_waits_is_charged_to_its_end_however_late() -> None:
    world = scenario(arrival(0, 1.0, priority=Priority.BACKGROUND, deadline_s=40.0))
    labels = label_world(world, RULE, Lookout(share=1.0, look_ahead_s=0.01), seed=0)
    (costs,) = labels.costs
    assert costs[-1] == pytest.approx(cost_of(world, 0, WAIT) - Track.of(world, RULE).cost)


def test_a_try_ends_soon_after_it_is_back_on_the_track(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = list[float](), Simulator.next_choice
    world = scenario(*(arrival(number, 1.0 + 0.5 * number) for number in range(60)))

    def counted(self: Simulator) -> object:
        choice = real(self)
        asked.append(self.now)
        return choice

    monkeypatch.setattr(Simulator, "next_choice", counted)
    Track.of(world, RULE)
    n_whole = len(asked)
    asked.clear()
    label_world(world, RULE, Lookout(share=1.0, look_ahead_s=inf), seed=0)
    assert len(asked) < 2 * n_whole + 60 * 25


def test_labels_are_the_same_for_a_seed_and_keep(tmp_path: Path) -> None:
    labels, twin = (label_world(minute(), RULE, Lookout(share=0.3), seed=1) for _ in range(2))
    assert 0 < len(labels) < len(Track.of(minute(), RULE).marks)
    labels.save(tmp_path / "labels.npz")
    again = Labels.load(tmp_path / "labels.npz")
    for one in (twin, again):
        assert np.array_equal(one.seen, labels.seen)
        assert np.array_equal(one.costs, labels.costs)
        assert np.array_equal(one.scales, labels.scales)


def test_a_world_of_which_nothing_is_labelled_gives_no_labels_of_the_same_width() -> None:
    nothing, something = (label_world(minute(), RULE, Lookout(share=share), seed=1) for share in (0.0, 0.3))
    assert (len(nothing), len(nothing.costs), len(nothing.scales)) == (0, 0, 0)
    assert len(joined_labels([nothing, something])) == len(something)
