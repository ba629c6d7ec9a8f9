"""A planner that sees the future: it tries each way on a copy of the world and keeps what turned out best.

Receding horizon: at each decision every promising candidate is chosen in a copy of the simulator, which goes on by a
rule of thumb for ``horizon_s``, with the true bandwidth, arrivals, scores and incidents of the scenario; the cheapest
is taken in the world itself. That is one step of policy improvement on the rule (rollout: Bertsekas 2013), so it is
better than the rule and not the best there is: a lower bound of what foresight is worth, and an upper one of what
a policy without it may hope for in practice.

A try that ends early does not see what it leaves behind: charge that a battery lacks later, a hub that all find busy,
requests that still wait. Requests that are open at the horizon are charged for the time that they have waited by then;
the rest shows only in a long horizon. Up to the end of the world is best, where time allows it.
"""

from __future__ import annotations

from itertools import takewhile

from msgspec import Struct

from meshd.core.candidate import WAIT, Observation
from meshd.core.policy import Policy
from policies.baselines.rungs import allowed, least
from policies.scenario import Scenario
from policies.simulator import Choice, Costs, Simulator

_LONGEST_OPEN_S = 600.0
"""No deadline of a world is later; who is open for longer never asked, for its device was away."""


class Foresight(Struct, frozen=True, kw_only=True):
    """How far and how broadly it looks."""

    horizon_s: float = 90.0
    """How far each try goes on; infinity: to the end."""
    breadth: int = 4
    """Candidates that are tried: the cheapest predicted, the rule's own choice, and to wait."""


def foresee(scenario: Scenario, rule: Policy, foresight: Foresight) -> Costs:
    """Return what came of a world that was planned with its future known; ``rule`` must have no memory."""
    simulator = Simulator(scenario)
    while (choice := simulator.next_choice()) is not None:
        simulator.choose(best_of(simulator, choice, rule, foresight))
    return simulator.costs


def best_of(simulator: Simulator, choice: Choice, rule: Policy, foresight: Foresight) -> int:
    """Return the index, or WAIT, that costs least within the horizon; the rule's own on a tie."""
    usual = rule.choose(choice.observation, choice.view, choice.now)
    indices = _worth_trying(choice.observation, usual, foresight.breadth)
    if len(indices) == 1:
        return usual
    until_s = choice.now + foresight.horizon_s
    return least(indices, [_tried(simulator, index, rule, until_s) for index in indices])


def _worth_trying(observation: Observation, usual: int, breadth: int) -> list[int]:
    """Return the rule's own choice and the cheapest others."""
    candidates = observation.candidates
    others = sorted(allowed(observation), key=lambda index: candidates[index].prediction.cost)[:breadth]
    waiting = [WAIT] if observation.wait_s is not None else []
    return [usual, *(index for index in [*others, *waiting] if index != usual)]


def _tried(simulator: Simulator, index: int, rule: Policy, until_s: float) -> float:
    """Return what a choice costs up to a moment, if the rule decides from then on."""
    copy = simulator.copy()
    begun = copy.costs.cost
    copy.choose(index)
    while (choice := copy.next_choice()) is not None and choice.now < until_s:
        copy.choose(rule.choose(choice.observation, choice.view, choice.now))
    return copy.costs.cost - begun + (_waited(copy) if choice is not None else 0.0)


def _waited(simulator: Simulator) -> float:
    """Return the price of what clients have waited who have no answer yet; those who never asked weigh on all alike."""
    ended = {entry.request for entry in simulator.costs.ends}
    settings, now = simulator.scenario.settings, simulator.now
    came = takewhile(lambda numbered: numbered[1].at_s <= now, enumerate(simulator.scenario.arrivals))
    waiting = (arrival for number, arrival in came if number not in ended and now - arrival.at_s <= _LONGEST_OPEN_S)
    return sum((now - arrival.at_s) * settings.price_watts(arrival.request.priority) for arrival in waiting)
