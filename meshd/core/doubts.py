"""Links that have looked slow for a while: the next request tries them."""

from __future__ import annotations

from meshd.core.ids import NodeId
from meshd.core.link import Link


class Doubts:
    """All links of one node that are in doubt."""

    def __init__(self) -> None:
        self._links: dict[NodeId, Link] = {}

    def note(self, node_id: NodeId, link: Link) -> None:
        """Look again in a while at a link that has come to look slow, whatever made it."""
        if link.doubt is not None:
            self._links[node_id] = link

    def weigh(self, now: float) -> bool:
        """Leave doubts aside that are old enough, each for one request; return whether that changes a prediction."""
        has_changed = False
        for node_id, link in tuple(self._links.items()):
            if link.doubt is None:
                del self._links[node_id]
                continue
            version = link.version
            link.weigh(now)
            has_changed |= link.version != version
        return has_changed

    def forget(self, node_id: NodeId) -> None:
        """Let go of a link to a peer that is gone for good."""
        self._links.pop(node_id, None)
