"""The port of a policy, and the rule that serves until a better one is loaded and whenever one fails."""

from __future__ import annotations

from typing import Protocol

from meshd.core.candidate import Observation


class Policy(Protocol):
    """Ranks candidates; it can never make a masked one happen, for core checks the answer."""

    @property
    def name(self) -> str:
        """Return the name that ``explain`` shows."""
        ...

    @property
    def is_steady(self) -> bool:
        """Tell whether it says the same whenever it sees the same candidates: no chance, no memory, no clock."""
        ...

    def choose(self, observation: Observation) -> int:
        """Return the index of the chosen candidate."""
        ...


class LeastExpectedCost:
    """Take the allowed candidate with the lowest expected cost; the earlier one on a tie.

    A cascade that has begun climbs one tier at a time: the rules of its tiers were calibrated on what the tier below
    passes on, and the strongest devices are everybody's. Skipping one is for a policy that can tell when it pays.
    """

    name = "least-expected-cost"
    is_steady = True

    def choose(self, observation: Observation) -> int:
        """Return the index of the cheapest allowed candidate; ValueError when none is allowed."""
        candidates = observation.candidates
        allowed = [index for index, candidate in enumerate(candidates) if candidate.reason is None]
        if observation.above is not None:
            next_tier = min((candidates[index].tier.tier.rank for index in allowed), default=0)
            allowed = [index for index in allowed if candidates[index].tier.tier.rank == next_tier]
        return min(allowed, key=lambda index: candidates[index].prediction.cost)
