"""Play all contenders on each world, world by world, wherever there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from meshd.core.policy import LeastExpectedCost
from policies.baselines import DEFAULT, SINGLE
from policies.bounds import Foresight, foresee, least_cost
from policies.evaluation.contender import Contender
from policies.evaluation.counterfactual import Counterfactual
from policies.evaluation.minds import Minds
from policies.evaluation.outcome import Outcome, outcome
from policies.evaluation.play import play
from policies.scenario import Scenario, Split, draw
from policies.workers import Workers

FIRST_UNSEEN = 20
"""Seed of the first world of each family of the test that nobody had looked at while policies were made."""
PLANNER, RELAXATION = "planner", "relaxation"
MOST_PLANNED = 8
"""Nodes of a mesh whose world is planned in half a minute; one of twelve was not done after minutes."""
_MANY_NODES = 12
"""Up to this size of mesh worlds are copied as often and followed as far as is asked for; of larger ones less."""
_CLOSELY, _CURSORILY = frozenset({DEFAULT, "provident"}), 0.1
"""Whose requests are held against the single node's way as often as those of the policy, and the share for others."""


class World(Struct, frozen=True, kw_only=True):
    """One world to be played."""

    family: str
    seed: int
    contenders: tuple[Contender, ...]
    foresight: Foresight | None = None
    """None: it is not planned."""
    most_planned: int = MOST_PLANNED
    """Nodes of a mesh that is planned."""
    single_share: float = 0.0
    """Of requests that are also led by the single node's rule, each alone; in a large mesh of fewer.

    That is for the first contender and for those of :data:`_CLOSELY`; of the others it is a tenth.
    """
    split: Split | None = None
    traces: Path | None = None
    arrivals: Path | None = None

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return f"{self.family} {self.seed}"

    def draw(self) -> Scenario:
        """Return the scenario."""
        return draw(self.family, self.seed, split=self.split, traces=self.traces, arrivals=self.arrivals)


def play_world(world: World) -> list[Outcome]:
    """Return what came of one world under each contender and both bounds."""
    scenario = world.draw()
    found = [_contended(world, one, scenario) for one in world.contenders]
    if world.foresight is not None and len(scenario.nodes) <= world.most_planned:
        found.append(outcome(PLANNER, scenario, foresee(scenario, LeastExpectedCost(), _of_size(world, scenario))))
    return [*found, _relaxed(scenario)]


def play_worlds(worlds: Sequence[World], workers: Workers) -> Iterator[list[Outcome]]:
    """Yield what came of each world, in no order."""
    for _, outcomes in workers.each(play_world, worlds, name=lambda world: world.name):
        yield outcomes


def _contended(world: World, contender: Contender, scenario: Scenario) -> Outcome:
    is_close = contender == world.contenders[0] or contender.name in _CLOSELY
    share = world.single_share * (1.0 if is_close else _CURSORILY) * _affordable(scenario)
    single = Minds(lambda: Contender(name=SINGLE).policy(world.family))
    counterfactual = Counterfactual(single, _sample(scenario, share))
    costs = play(scenario, lambda: contender.policy(world.family), beside=counterfactual)
    return outcome(contender.name, scenario, costs, counterfactual.pairs(costs))


def _sample(scenario: Scenario, share: float) -> list[int]:
    """Return the numbers of requests that chance picks, the same for all contenders."""
    drawn = np.random.default_rng(scenario.seed).random(len(scenario.arrivals))
    return np.flatnonzero(drawn < share).tolist()


def _of_size(world: World, scenario: Scenario) -> Foresight:
    assert world.foresight is not None, "only worlds that are planned are asked for"
    return replace(world.foresight, look_ahead_s=world.foresight.look_ahead_s * _affordable(scenario))


def _affordable(scenario: Scenario) -> float:
    """Return the share of tries that a mesh's size allows: a copy takes as long as there are nodes."""
    return min(1.0, _MANY_NODES / len(scenario.nodes))


def _relaxed(scenario: Scenario) -> Outcome:
    """Return the bound that nobody can beat; it has a cost and nothing else."""
    return Outcome(
        policy=RELAXATION,
        family=scenario.family,
        seed=scenario.seed,
        n_arrivals=len(scenario.arrivals),
        cost=least_cost(scenario),
        seconds=(),
        n_ended=0,
        n_missed=0,
        n_hidden=0,
        joules={},
        battery_hours={},
        costs={},
    )
