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

    def choose(self, observation: Observation) -> int:
        """Return the index of the chosen candidate."""
        ...


class LeastExpectedCost:
    """Take the allowed candidate with the lowest expected cost; the earlier one on a tie."""

    name = "least-expected-cost"

    def choose(self, observation: Observation) -> int:
        """Return the index of the cheapest allowed candidate; ValueError when none is allowed."""
        allowed = (index for index, candidate in enumerate(observation.candidates) if candidate.allowed)
        return min(allowed, key=lambda index: observation.candidates[index].prediction.cost)
