"""How often something happened lately."""

from __future__ import annotations

from math import exp

from msgspec import Struct


class Recent(Struct, kw_only=True, gc=False):
    """A count that fades: what happened ``fades_in_s`` ago counts a third."""

    fades_in_s: float
    count: float = 0.0
    at_s: float = 0.0

    def happened(self, now: float) -> None:
        """Take in that it has just happened."""
        self.count, self.at_s = self.at(now) + 1.0, now

    def at(self, now: float) -> float:
        """Return the count as it is now."""
        return self.count * exp(min(0.0, self.at_s - now) / self.fades_in_s) if self.count else 0.0
