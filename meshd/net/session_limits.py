"""What one session may take of time and memory, and what it shares with all others."""

from __future__ import annotations

from dataclasses import dataclass

from meshd.net.arriving import ALL_ARRIVING, Arriving
from meshd.net.credit import WINDOW_BYTES
from meshd.net.unread import ALL_UNREAD, Unread
from meshd.wire.frame import MAX_PAYLOAD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Bounds of one session; the defaults are those of a daemon."""

    hello_s: float = 5.0
    """From the connection to the other side's hello; also from our goodbye to the end of the connection."""
    stalled_s: float = 15.0
    """How long the other side may read nothing while bytes wait for it, or leave a large frame half sent. Membership
    suspects it much earlier; this is what frees the memory."""
    max_payload_bytes: int = MAX_PAYLOAD_BYTES
    window_bytes: int = WINDOW_BYTES
    """Of requests that the other side may have out here at a time, and of answers unread before more are taken up."""
    arriving: Arriving = ALL_ARRIVING
    """What large frames share that are not complete."""
    unread: Unread = ALL_UNREAD
    """What shares that waits for readers."""
    max_outgoing_bytes: int = 2 * MAX_PAYLOAD_BYTES
    """Room for the largest frame behind another one; a peer that lets more pile up is cut off."""
