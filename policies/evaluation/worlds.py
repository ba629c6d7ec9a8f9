"""Play all contenders on each world, world by world, wherever there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from meshd.core.policy import LeastExpectedCost
from policies.bounds import Foresight, foresee, least_cost
from policies.evaluation.contender import Contender
from policies.evaluation.outcome import Outcome, outcome
from policies.evaluation.play import play
from policies.scenario import Scenario, Split, draw
from policies.workers import Workers

PLANNER, RELAXATION = "planner", "relaxation"
_PLANNED_NODES = 12
"""The planner goes as far ahead as it is told up to this size of mesh; its tries of larger ones end sooner."""


class World(Struct, frozen=True, kw_only=True):
    """One world to be played."""

    family: str
    seed: int
    contenders: tuple[Contender, ...]
    foresight: Foresight | None = None
    """None: it is not planned."""
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
    found = [
        outcome(one.label, scenario, play(scenario, lambda: one.policy(world.family)))  # noqa: B023 - called at once
        for one in world.contenders
    ]
    if world.foresight is not None:
        found.append(outcome(PLANNER, scenario, foresee(scenario, LeastExpectedCost(), _of_size(world, scenario))))
    return [*found, _relaxed(scenario)]


def play_worlds(worlds: Sequence[World], workers: Workers) -> Iterator[list[Outcome]]:
    """Yield what came of each world, in no order."""
    for _, outcomes in workers.each(play_world, worlds, name=lambda world: world.name):
        yield outcomes


def _of_size(world: World, scenario: Scenario) -> Foresight:
    assert world.foresight is not None, "only worlds that are planned are asked for"
    share = min(1.0, _PLANNED_NODES / len(scenario.nodes))
    return Foresight(horizon_s=world.foresight.horizon_s * share, breadth=world.foresight.breadth)


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
