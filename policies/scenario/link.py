"""The way from one node to another."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.ids import NodeId
from policies.scenario.bandwidth import Bandwidth


class Link(Struct, frozen=True, kw_only=True, gc=False):
    """One direction between two nodes; bytes go over it one after the other. The way back is a link of its own.

    Two nodes without links between them never meet. Where there are links, their session is open whenever both nodes
    are present and nothing has parted them (:class:`policies.scenario.happening.Kind`).
    """

    sender: NodeId
    receiver: NodeId
    delay_s: float
    """One way, beyond what the bytes take; half of the round trip of an idle link."""
    bandwidth: Bandwidth
    """Often one object for many links: those of one radio."""
    jitter: float = 0.0
    """Standard deviation of the logarithm of the delay: each message's is ``delay_s * exp(jitter * normal)``."""
