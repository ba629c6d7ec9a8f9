"""Whoever takes part: a baseline as tuned, or a learned policy."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from meshd.core.policy import Policy
from policies.baselines import BASELINES
from policies.baselines.tuned import learned, tuned


class Contender(Struct, frozen=True, kw_only=True):
    """A baseline, with what it was tuned to unless it is said otherwise; small enough to be sent to a process."""

    name: str
    parameters: Mapping[str, object] | None = None
    """None: as tuned for the family."""

    def policy(self, family: str) -> Policy:
        """Return a policy for one node of a world of a family."""
        given = tuned(self.name, family) if self.parameters is None else self.parameters
        return BASELINES[self.name].policy(given, learned(self.name))
