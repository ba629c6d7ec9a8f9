"""What a node keeps of a request while it is alive, as a daemon's ledger does; tensors are their sizes."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.commands import Dispatch
from meshd.core.ids import NodeId, RequestId
from meshd.core.request import Request

CLIENT = -1
"""Stands for the place of an asker that is no node."""


class Held(Struct, kw_only=True):
    """One live request on one node."""

    request: Request
    number: int
    """Of the arrival."""
    arrived_s: float
    askers: list[int]
    """Places of the nodes that wait for its outcome, or the client."""
    parent: RequestId | None = None
    out_at: dict[NodeId, Dispatch] = {}
    crossing_bytes: dict[int, int] = {}
    """Of what the attempts gave that ran a head."""

    def bytes_of(self, of: int | None) -> int:
        """Return the bytes that an attempt left behind; of the request's own input where that is none."""
        return self.request.input_bytes if of is None else self.crossing_bytes[of]
