"""How it stands with one peer, for people: what ``meshd peers`` shows."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass


class LinkState(StrEnum):
    """What a link is doing."""

    CONNECTED = "connected"
    CONNECTING = "connecting"
    WAITING = "waiting"
    """The last try failed; the next one comes after a while, or when the peer announces itself."""
    UNPAIRED = "unpaired"
    """Announced or at our door, and not pinned here: nothing is sent to it."""


class PeerLink(Struct, frozen=True, kw_only=True):
    """One peer or address and the state of the link to it."""

    state: LinkState
    node_id: NodeId | None = None
    name: str | None = None
    device_class: DeviceClass | None = None
    address: str | None = None
    last_error: str | None = None
    since_s: float = 0.0
    """For how long it has been in this state."""
    rtt_s: float | None = None
    """Latest round trip of a heartbeat."""
