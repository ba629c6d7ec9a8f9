"""One world of a study, played by every arm."""

from __future__ import annotations

from collections import Counter
from functools import partial

from msgspec import Struct

from policies.evaluation.outcome import outcome
from policies.evaluation.play import play
from policies.evaluation.worlds import World
from policies.scenario import Scenario
from policies.simulator import Costs, Use
from policies.study.arm import Arm, Counted


class Run(Struct, frozen=True, kw_only=True):
    """What came of one world under one arm, without its requests: a study has many arms."""

    arm: str
    family: str
    seed: int
    reward: float
    """Mean of a request, by the prices that the arm played with."""
    misses: float
    """Share of requests without an answer by their deadlines."""
    joules: float
    """For a request, of the nodes that have a battery."""
    n_asked: int
    """How often a guarded policy was asked."""
    fallbacks: dict[str, int]
    """How often its guard decided instead, by why."""


class Trial(Struct, frozen=True, kw_only=True):
    """A world with the arms that play it."""

    world: World
    arms: tuple[Arm, ...]

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return self.world.name

    def runs(self) -> list[Run]:
        """Return what came of it under each arm."""
        scenario = self.world.draw()
        return [_run(arm, arm.world(scenario)) for arm in self.arms]


def play_trial(trial: Trial) -> list[Run]:
    """Play a trial, wherever it is sent."""
    return trial.runs()


def _run(arm: Arm, scenario: Scenario) -> Run:
    counted = Counter[str]()
    costs = play(scenario, partial(arm.policy, scenario.family, counted), replies_tell=arm.replies_tell)
    came = outcome(arm.name, scenario, costs)
    n_asked = counted.pop(Counted.ASKED, 0)
    return Run(
        arm=arm.name,
        family=came.family,
        seed=came.seed,
        reward=came.reward,
        misses=came.n_missed / max(1, came.n_ended),
        joules=_battery_joules(scenario, costs) / max(1, came.n_arrivals),
        n_asked=n_asked,
        fallbacks=dict(counted),
    )


def _battery_joules(scenario: Scenario, costs: Costs) -> float:
    taken = [costs.joules(node.node_id) for node in scenario.nodes if node.battery is not None]
    return sum(sum(joules.values()) - joules[Use.DEMAND] for joules in taken)
