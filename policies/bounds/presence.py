"""Who is there to ask, whatever policies do to batteries."""

from __future__ import annotations

from collections.abc import Iterable

from policies.scenario import Happening, Kind, Node


class Presence:
    """Whether a node surely takes in what its clients ask, by what befalls it.

    Said only where it holds for every policy. A node that has left is not trusted to be back before it has died once:
    how long it takes to leave depends on what it still has to do.
    """

    def __init__(self, node: Node, happenings: Iterable[Happening]) -> None:
        self._happenings = [one for one in happenings if one.node_id == node.node_id]
        self._n_seen = 0
        self._is_on = node.is_present
        self._is_frozen = self._is_leaving = False

    def asks_at(self, at_s: float) -> bool:
        """Tell whether a client's request is surely taken in; moments may not go back."""
        while self._n_seen < len(self._happenings) and self._happenings[self._n_seen].at_s <= at_s:
            self._take(self._happenings[self._n_seen].kind)
            self._n_seen += 1
        return self._is_on and not self._is_frozen and not self._is_leaving

    def _take(self, kind: Kind) -> None:
        match kind:
            case Kind.JOINS:
                self._is_on = True
            case Kind.DIES:
                self._is_on = self._is_leaving = False
            case Kind.LEAVES:
                self._is_leaving = True
            case Kind.STALLS:
                self._is_frozen = True
            case Kind.RESUMES:
                self._is_frozen = False
            case _:
                pass
