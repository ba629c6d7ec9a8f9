"""The real core in virtual time: every node of a scenario with its scheduler, its body, its radio and its links."""

from policies.simulator.choice import Choice
from policies.simulator.costs import Charge, Costs, Ended, Use
from policies.simulator.simulator import Simulator

__all__ = ["Charge", "Choice", "Costs", "Ended", "Simulator", "Use"]
