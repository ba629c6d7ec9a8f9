"""Let one policy play one world: every node has one of its own, as in a mesh."""

from __future__ import annotations

from policies.evaluation.counterfactual import Counterfactual
from policies.evaluation.minds import MakePolicy, Minds
from policies.scenario import Scenario
from policies.simulator import Costs, Simulator


def play(
    scenario: Scenario, make: MakePolicy, *, replies_tell: bool = True, beside: Counterfactual | None = None
) -> Costs:
    """Return what came of a world in which every node decides by a policy of its own; ``beside`` looks on."""
    simulator, minds = Simulator(scenario, replies_tell=replies_tell), Minds(make)
    while (choice := simulator.next_choice()) is not None:
        index = minds.choose(choice, simulator)
        if beside is not None:
            beside.look(simulator, choice, index, minds)
        simulator.choose(index)
    return simulator.costs


def request_cost(scenario: Scenario, make: MakePolicy) -> float:
    """Return what a request of a world costs in the mean, in joules, where each node has a policy of its own."""
    return play(scenario, make).cost / max(1, len(scenario.arrivals))
