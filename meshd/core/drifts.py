"""How often what a node had learned turned out to be of something else by now."""

from __future__ import annotations

from msgspec import Struct


class Drifts(Struct, kw_only=True, gc=False):
    """Counts since the start; each was learned anew from then on."""

    runs: int = 0
    """What runs take on some node."""
    links: int = 0
    handling: int = 0
    """What requests take beyond their runs and ways."""
    escalations: int = 0
    """How often answers of some tier escalate."""
