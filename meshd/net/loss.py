"""Why a session ended that this side did not end, in words for people."""

from __future__ import annotations

from meshd.errors import LinkError, PeerLost, from_code
from meshd.net.tls import explained
from meshd.wire.messages import Goodbye


def loss_by(goodbye: Goodbye, address: str) -> LinkError:
    """Return what a goodbye says; of a code that is no link's, that it was said."""
    reason = from_code(goodbye.code, goodbye.message or f"{address} said goodbye.")
    return reason if isinstance(reason, LinkError) else PeerLost(f"{address} said goodbye: {reason}")


def loss_without_goodbye(exc: Exception | None, address: str, *, is_handshake_behind: bool) -> LinkError:
    """Return why a connection broke off; ``is_handshake_behind`` where this side's TLS was done and nothing more."""
    if isinstance(exc, OSError) and not isinstance(exc, ConnectionError):
        return explained(exc, address)
    if is_handshake_behind:
        # In TLS 1.3 the dialling side finishes first; a refusal of its certificate often shows as a reset.
        return PeerLost(
            f"{address} closed the connection right after the TLS handshake.",
            hint="Most likely this node is not trusted there: `meshd id` here, `meshd trust add` there.",
        )
    return PeerLost(f"the connection with {address} ended{f': {exc}' if exc else ''}.")
