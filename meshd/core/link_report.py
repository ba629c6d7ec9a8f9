"""What a node tells of its own links: a chain over three nodes crosses one that its first node cannot measure."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest

from meshd.core.link import Link
from meshd.core.node import MOST_S, MOST_TOLD_LINKS, PeerLink
from meshd.core.node_view import NodeView, short

_TOLD_BYTES = 100_000
"""Links are told by what an exchange of this size takes: between the smallest and the largest that cross a cut."""


def link_report(peers: Iterable[NodeView]) -> tuple[PeerLink, ...]:
    """Return what to tell of the best links to peers; only of such as were measured."""
    measured = [
        PeerLink(node=short(node.profile.node_id), rtt_s=link.rtt_s.mean, byte_s=_told_byte_s(link))
        for node in peers
        if (link := node.link) and link.is_measured
    ]
    return tuple(nsmallest(MOST_TOLD_LINKS, measured, key=lambda told: told.rtt_s + _TOLD_BYTES * told.byte_s))


def _told_byte_s(link: Link) -> float:
    """Return a link's seconds per byte; of one that its peer calls endlessly slow no more than a message holds."""
    return min(MOST_S, max(0.0, link.transfer_s(_TOLD_BYTES) - link.rtt_s.mean) / _TOLD_BYTES)
