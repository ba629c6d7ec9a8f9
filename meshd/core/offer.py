"""What was offered to a request, kept for others that ask the same."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.candidate import Candidate
from meshd.core.trip import Trip


class Offer(Struct, kw_only=True):
    """The candidates of one decision, and what the policy made of them."""

    candidates: tuple[Candidate, ...]
    weighed_s: float
    """When."""
    versions: tuple[int, ...]
    """Of what is known of the mesh."""
    least_s: float
    """A deadline that is at least so far away plays no part."""
    is_only_way: bool
    """Whether rules alone leave one candidate: then it is chosen whatever is measured."""
    trip: Trip | None = None
    """The way to the peer that was chosen last."""
    index: int | None = None
    """What the policy chooses; none until it has said so for good."""
    policy: str = ""
    note: str = ""
    """What it said of that."""
    may_wait: bool = False
    """Whether it could have answered to wait: asked otherwise, it may say something else."""
