"""What it takes to have a request run at a peer: reckoned once for an offer, and the same for all that take it up."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.candidate import Candidate


class Trip(Struct, frozen=True, kw_only=True, gc=False):
    """Predicted of the way to a peer, and of the wait for it."""

    candidate: Candidate
    patience_s: float
    """How long to wait for it, where nothing else has to be thought of."""
    elsewhere_s: float
    """What the soonest other way would take; infinity where there is none."""
    n_bytes: float
    """On the link."""
    crossing_s: float
    """For which they take the link."""
