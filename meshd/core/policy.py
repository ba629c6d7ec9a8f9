"""The port of a policy, and the rule that serves until a better one is loaded and whenever one fails."""

from __future__ import annotations

from typing import Protocol

from meshd.core.candidate import Observation
from meshd.core.mesh_view import MeshView


class Policy(Protocol):
    """Ranks candidates; it can never make a masked one happen, for core checks the answer."""

    @property
    def name(self) -> str:
        """Return the name that ``explain`` shows."""
        ...

    @property
    def is_steady(self) -> bool:
        """Tell whether it says the same of the same candidates for as long as an offer stands: no chance, no memory.

        That is a second at most, in which nothing here has changed but how long ago things were. Whether the request
        may wait counts as a part of the candidates; how long, and the deadline, do not.
        """
        ...

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the index of the chosen candidate, or WAIT where ``observation.wait_s`` allows it.

        It is asked straight after the decision was made from ``view``, at ``now`` on the clock of its figures; it only
        looks at it.
        """
        ...


class LeastExpectedCost:
    """Take the allowed candidate with the lowest expected cost; the earlier one on a tie.

    A cascade that has begun climbs one tier at a time: the rules of its tiers were calibrated on what the tier below
    passes on, and the strongest devices are everybody's. Skipping one is for a policy that can tell when it pays.
    Nor does it ever wait: what a later moment costs is nothing that it knows.
    """

    name = "least-expected-cost"
    is_steady = True

    def choose(self, observation: Observation, view: MeshView | None = None, now: float = 0.0) -> int:  # noqa: ARG002
        """Return the index of the cheapest allowed candidate; ValueError when none is allowed.

        All that it goes by is in the observation.
        """
        candidates = observation.candidates
        allowed = [index for index, candidate in enumerate(candidates) if candidate.reason is None]
        if observation.above is not None:
            next_tier = min((candidates[index].tier.tier.rank for index in allowed), default=0)
            allowed = [index for index in allowed if candidates[index].tier.tier.rank == next_tier]
        return min(allowed, key=lambda index: candidates[index].prediction.cost)
