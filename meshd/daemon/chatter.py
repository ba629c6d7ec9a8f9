"""What peers say of themselves, unasked: some of it is taken in each second, and who says absurdly much is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from meshd.core.ids import NodeId
from meshd.errors import ProtocolError
from meshd.wire.messages import Capability, Heartbeat

COSTS = {Heartbeat: 1, Capability: 8}
"""Of taking one in, in heartbeats: a few microseconds, and the more the more models there are."""
PADDING_OF_ONE_BYTES = 4 * 2**10
"""What TLS undoes in the time that it takes to take in a heartbeat. The largest padding is a quarter of a second's."""
MOST_A_SECOND = 64
"""Of one peer: many times what even one says that takes in models, and 64 heartbeats take no millisecond."""
ABSURD_A_SECOND = 16 * MOST_A_SECOND
"""Nobody says so much by mistake: of a node that stood still until it was given up come ten heartbeats at once."""
Told = Heartbeat | Capability


class _Second(Struct):
    """What one peer has said since this second began."""

    begun_s: float
    said: int = 0
    """In heartbeats."""
    last: Capability | None = None
    """What it announced last beyond what was taken in: what it was before is no longer true."""


class Chatter:
    """Counts for each peer. ``take_in`` gets what is within measure, ``cut_off`` who is beyond all of it."""

    def __init__(
        self, take_in: Callable[[NodeId, Told], None], cut_off: Callable[[NodeId, ProtocolError], None]
    ) -> None:
        self.left_out = 0
        """Messages that were not taken in when they came."""
        self.peers_cut_off = 0
        self._take_in = take_in
        self._cut_off = cut_off
        self._seconds: dict[NodeId, _Second] = {}

    def hear(self, node_id: NodeId, message: Told, payload_bytes: int = 0) -> None:
        """Take a message in, or leave it out; the last capability of a second is taken in with the next."""
        second = self._second(node_id)
        second.said += COSTS[type(message)] + payload_bytes // PADDING_OF_ONE_BYTES
        if second.said <= MOST_A_SECOND:
            self._take_in(node_id, message)
            return
        self.left_out += 1
        if second.said > ABSURD_A_SECOND:
            self.peers_cut_off += 1
            self._cut_off(node_id, ProtocolError("it says more of itself in a second than any node has to say."))
        elif isinstance(message, Capability):
            self._keep(node_id, second, message)

    def forget(self, node_id: NodeId) -> None:
        """Believe nothing more of what a peer has said; how much it was counts on, or coming back would undo it."""
        if second := self._seconds.get(node_id):
            second.last = None

    def _second(self, node_id: NodeId) -> _Second:
        now_s, second = monotonic(), self._seconds.get(node_id)
        if second is None or (now_s - second.begun_s >= 1.0 and second.last is None):
            second = self._seconds[node_id] = _Second(begun_s=now_s)
        return second

    def _keep(self, node_id: NodeId, second: _Second, message: Capability) -> None:
        if second.last is None:
            asyncio.get_running_loop().call_later(1.0, self._begin_next, node_id, second)
        second.last = message

    def _begin_next(self, node_id: NodeId, over: _Second) -> None:
        if self._seconds.get(node_id) is over and over.last is not None:
            self._seconds[node_id] = _Second(begun_s=monotonic())
            self.hear(node_id, over.last)
