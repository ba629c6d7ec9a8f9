"""Between this node and its peers: who lends what, and what is asked of whom."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from meshd.core.ids import NodeId
from meshd.daemon.models.lender import Borrower, Lender
from meshd.daemon.models.source import PATIENCE_S, Source
from meshd.net.session import Session
from meshd.wire.messages import Fetch, Fetched, Inventory, Message, Refusal


class Exchange:
    """Every peer in session as a source and a borrower. ``on_offers`` hears that somebody offers something else."""

    def __init__(self, lender: Lender, *, patience_s: float = PATIENCE_S) -> None:
        self.on_offers: Callable[[], None] = lambda: None
        self._lender = lender
        self._patience_s = patience_s
        self._peers: dict[NodeId, tuple[Session, Source]] = {}
        self._resting: dict[NodeId, float] = {}
        """Until when peers that are away are not asked: a liar does not become honest by calling again."""

    def sources(self) -> list[Source]:
        """Return the peers in session."""
        return [source for _, source in self._peers.values()]

    def peer_connected(self, node_id: NodeId, session: Session) -> None:
        """Tell a peer what this node lends."""
        name = session.remote.name if session.remote else node_id[:12]
        source = Source(name, session.send, patience_s=self._patience_s)
        source.rests_until_s = self._resting.pop(node_id, 0.0)
        self._peers[node_id] = session, source
        if self._lender.inventory != Inventory():
            session.send(self._lender.inventory)

    def peer_disconnected(self, node_id: NodeId) -> None:
        """Wait for nothing more from a peer."""
        _, source = self._peers.pop(node_id, (None, None))
        if source is None:
            return
        source.lost()
        now_s = monotonic()
        self._resting = {peer: until_s for peer, until_s in self._resting.items() if until_s > now_s}
        if not source.is_willing:
            self._resting[node_id] = source.rests_until_s

    def peer_message(self, node_id: NodeId, message: Message, payload: memoryview) -> bool:
        """Take in a message if it is about models; tell whether it was."""
        session, source = self._peers.get(node_id, (None, None))
        if session is None or source is None:
            return False
        match message:
            case Inventory():
                self._offered(source, message)
            case Fetch():
                self._lender.serve(Borrower(node_id, session.send, lambda: session.unread_bytes), message)
            case Fetched():
                source.answered(message, payload)  # One that is too late answers nothing any more.
            case Refusal():
                return source.answered(message, payload)
            case _:
                return False
        return True

    def announce(self) -> None:
        """Tell every peer what this node lends by now."""
        for session, _ in list(self._peers.values()):
            session.send(self._lender.inventory)

    def _offered(self, source: Source, inventory: Inventory) -> None:
        if inventory != source.inventory:
            source.inventory = inventory
            self.on_offers()
