"""Plays scenarios to their ends, and tells what was decided on the way."""

from __future__ import annotations

from collections.abc import Callable

from meshd.core.candidate import Observation
from policies.simulator import Choice, Simulator

Rule = Callable[[Observation], int]


def cheapest(observation: Observation) -> int:
    """The allowed candidate of the lowest predicted cost; after an escalation, of the next tier."""
    allowed = [index for index, candidate in enumerate(observation.candidates) if candidate.allowed]
    if observation.above is not None:
        next_rank = min(observation.candidates[index].tier.tier.rank for index in allowed)
        allowed = [index for index in allowed if observation.candidates[index].tier.tier.rank == next_rank]
    return min(allowed, key=lambda index: observation.candidates[index].prediction.cost)


def dearest(observation: Observation) -> int:
    """The allowed candidate of the highest predicted cost: nobody's rule, and always another way than the cheapest."""
    allowed = [index for index, candidate in enumerate(observation.candidates) if candidate.allowed]
    return max(allowed, key=lambda index: observation.candidates[index].prediction.cost)


def on(name: str) -> Rule:
    """Whole on the node of that name, where that is allowed; the cheapest otherwise."""

    def rule(observation: Observation) -> int:
        for index, candidate in enumerate(observation.candidates):
            if candidate.allowed and candidate.place == name:
                return index
        return cheapest(observation)

    return rule


def play(simulator: Simulator, rule: Rule = cheapest) -> list[Choice]:
    """Run to the end; return what was asked."""
    asked = []
    while (choice := simulator.next_choice()) is not None:
        asked.append(choice)
        simulator.choose(rule(choice.observation))
    return asked
