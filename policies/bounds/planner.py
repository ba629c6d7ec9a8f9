"""A planner that sees the future: it tries each way on a copy of the world and keeps what turned out best.

Receding horizon: at each decision every promising way is tried beside the track of a rule of thumb, with the true
bandwidth, arrivals, scores and incidents of the scenario, and the cheapest is taken in the world itself. That is one
step of policy improvement on the rule (rollout: Bertsekas 2013), so it is better than the rule and not the best there
is: a lower bound of what foresight is worth, and an upper one of what a policy without it may hope for in practice.

A try goes on until it is back on the track, or for ``look_ahead_s`` behind the end of its request. What it leaves
behind for later than that shows only where it looks far; but the end of a battery is in the price of each joule that
brings it nearer (``policies/shortage.py``). Farther is not always better: what is tried follows the rule, not the
planner.
"""

from __future__ import annotations

from meshd.core.candidate import WAIT, Observation
from meshd.core.policy import Policy
from policies.baselines.rungs import allowed
from policies.scenario import Scenario
from policies.simulator import Choice, Costs, Simulator
from policies.tries import Reach, Track, Tries


class Foresight(Reach, frozen=True, kw_only=True):
    """How far and how broadly it looks: further than who labels, and sure that nothing is left."""

    look_ahead_s: float = 90.0
    """Infinity: a try that does not come back goes on to the end."""
    settled_s: float = 4.0
    settled_decisions: int = 12
    breadth: int = 4
    """Candidates that are tried: the cheapest predicted, beside the rule's own choice and to wait."""


def foresee(scenario: Scenario, rule: Policy, foresight: Foresight) -> Costs:
    """Return what came of a world that was planned with its future known; ``rule`` must have no memory."""
    simulator = Simulator(scenario)
    planner = Planner(simulator, rule, foresight)
    while (choice := simulator.next_choice()) is not None:
        planner.choose(simulator, choice)
    return simulator.costs


class Planner:
    """Leads one world."""

    def __init__(self, simulator: Simulator, rule: Policy, foresight: Foresight) -> None:
        self._rule = rule
        self._foresight = foresight
        self._follow(simulator)

    def choose(self, simulator: Simulator, choice: Choice) -> None:
        """Take what costs least; the rule's own on a tie."""
        usual = self._track.marks[self._number].choice
        tries, number = self._tries, self._number
        further = {usual: 0.0}
        for way in _worth_trying(choice.observation, usual, self._foresight.breadth):
            further[way] = tries.further_cost(simulator, choice, number, way)
        best = min(further, key=lambda way: further[way])
        simulator.choose(best)
        if best == usual:
            self._number += 1
        else:
            self._follow(simulator)

    def _follow(self, simulator: Simulator) -> None:
        """See what the rule makes of the world from here."""
        self._track = Track.ahead(simulator.copy(), self._rule)
        self._tries = Tries(self._track, self._rule, self._foresight)
        self._number = 0
        """Of the next decision, on the track."""


def _worth_trying(observation: Observation, usual: int, breadth: int) -> list[int]:
    """Return the cheapest candidates beside the rule's own choice, and to wait."""
    candidates = observation.candidates
    cheapest = sorted(allowed(observation), key=lambda index: candidates[index].prediction.cost)[:breadth]
    waiting = [WAIT] if observation.wait_s is not None else []
    return [index for index in [*cheapest, *waiting] if index != usual]
