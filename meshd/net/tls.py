"""TLS 1.3 in which both sides present a certificate. Decision: docs/decisions/0002-tls-pinning.md."""

from __future__ import annotations

import asyncio
import ssl

from meshd.core.ids import NodeId
from meshd.errors import LinkError, PeerLost, ProtocolError, UntrustedPeer
from meshd.net import anchor
from meshd.net.identity import Identity, fingerprint

HANDSHAKE_S = 5.0
"""A handshake takes two flights and 2 ms of computing; on a link where it takes longer, no work can be shared."""

SHUTDOWN_S = 1.0
"""How long an ending session waits for the other side's close; it has no more to say that we would read."""

# How RFC 8446 section 6.2 names the alerts for a certificate that the other side does not like.
_CERTIFICATE_ALERTS = ("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE")


def server_context(identity: Identity) -> ssl.SSLContext:
    """Return the context to accept connections with. Who may stay is for the session to decide, by fingerprint."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity)
    # A ticket would let a peer resume for hours after it was unpinned, and costs two writes in every handshake.
    context.num_tickets = 0
    return context


def client_context(identity: Identity) -> ssl.SSLContext:
    """Return the context to dial with. Whom it reached is for the session to decide, by fingerprint."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity)


def _context(protocol: int, identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # Names prove nothing here.
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=anchor.CERTIFICATE)
    context.load_cert_chain(identity.secret_path)
    return context


def peer_fingerprint(transport: asyncio.BaseTransport) -> NodeId | None:
    """Return the fingerprint of the certificate at the other end; none where there is no TLS."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls else None
    return fingerprint(certificate) if certificate else None


def explained(error: OSError, address: str) -> LinkError:
    """Translate what the socket or the handshake raised into an error of ours."""
    match error:
        case ssl.SSLCertVerificationError():
            return UntrustedPeer(f"the certificate at {address} is not one that meshd made.")
        case ssl.SSLError() if any(word in (error.reason or "") for word in _CERTIFICATE_ALERTS):
            return UntrustedPeer(f"{address} does not accept this node's certificate.")
        case ssl.SSLError():
            return ProtocolError(f"no TLS 1.3 with {address}: {error.reason or error}.")
        case TimeoutError():
            return PeerLost(f"{address} did not answer in time.")
        case _:
            return PeerLost(f"no connection with {address}: {error.strerror or error}.")
