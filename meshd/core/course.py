"""What running a request on a chosen way takes, added up part by part."""

from __future__ import annotations

from msgspec import Struct


class Course(Struct, frozen=True, kw_only=True, gc=False):
    """Seconds and joules until the first answer."""

    queue_s: float = 0.0
    load_s: float = 0.0
    compute_s: float = 0.0
    transfer_s: float = 0.0
    handling_s: float = 0.0
    """Beyond all of these."""
    delay_s: float = 0.0
    """By how much others are delayed."""
    variance: float = 0.0
    """Of the seconds."""
    joules: float = 0.0
    own_joules: float = 0.0
    """Of these, what this node spends."""
    weighted_joules: float = 0.0
    load_joules: float = 0.0
    """Of the weighted ones, what loading takes: each part at its own node's watts."""
    forgone_joules: float = 0.0
    """Of the price of loading, what requests before have lost already."""

    @property
    def until_s(self) -> float:
        """Return the expected seconds until the answer is here."""
        return self.queue_s + self.load_s + self.compute_s + self.transfer_s + self.handling_s
