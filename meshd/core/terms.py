"""The terms of one node at one moment: what anything that runs there for a request would meet and cost."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.node_view import NodeView


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """Looked up once for a decision; tiers, heads and tails on the node have it in common."""

    node: NodeView
    said_s: float
    """Wait, as the node itself says, or until what was sent before has crossed to it."""
    outstanding: int
    """Requests of ours that are there."""
    slots: int
    crowd: float
    """By how much a second there delays others."""
    weight: float
    """What a joule there counts."""
    wake_joules: float
    byte_joules: float
    """Of the radio, for each byte in or out."""

    def wait_s(self, item_s: float) -> float:
        """Return how long something would wait there if it came now; what we sent there takes as long as it would."""
        return max(self.said_s, self.outstanding * item_s / self.slots) if self.outstanding else self.said_s

    def radio_joules(self, n_bytes: float) -> float:
        """Return what sending or receiving takes there."""
        return self.wake_joules + int(n_bytes) * self.byte_joules
