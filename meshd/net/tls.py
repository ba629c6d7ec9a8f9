"""TLS 1.3 in which both sides present a certificate and both are pinned. Decision: docs/decisions/tls-pinning.md."""

from __future__ import annotations

import asyncio
import ssl

from meshd.core.ids import NodeId
from meshd.errors import LinkError, PeerLost, ProtocolError, UntrustedPeer
from meshd.net.identity import Identity, fingerprint
from meshd.net.trust import TrustStore

HANDSHAKE_S = 5.0
"""A handshake takes two flights and 2 ms of computing; on a link where it takes longer, no work can be shared."""

SHUTDOWN_S = 1.0
"""How long an ending session waits for the other side's close; it has no more to say that we would read."""

# How RFC 8446 section 6.2 names the alerts for a certificate that the other side does not like.
_CERTIFICATE_ALERTS = ("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE")


class TlsContexts:
    """The contexts to accept and to dial with; they follow the trust store."""

    def __init__(self, identity: Identity, trust: TrustStore) -> None:
        self._identity = identity
        self._trust = trust
        self._version = -1
        self._server = self._client = ssl.SSLContext(ssl.PROTOCOL_TLS)

    def server(self) -> ssl.SSLContext:
        """Return the context for an accepted connection."""
        self._follow_trust()
        return self._server

    def client(self) -> ssl.SSLContext:
        """Return the context for a dialled connection."""
        self._follow_trust()
        return self._client

    def _follow_trust(self) -> None:
        self._trust.refresh()
        if self._version == self._trust.version:
            return
        self._version = self._trust.version
        self._server = self._context(ssl.PROTOCOL_TLS_SERVER)
        # A ticket would let a peer resume for hours after it was unpinned, and cost two writes per handshake.
        self._server.num_tickets = 0
        self._client = self._context(ssl.PROTOCOL_TLS_CLIENT)

    def _context(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # Names prove nothing here; the fingerprint does.
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self._identity.secret_path)
        # Our own certificate is an anchor, too: only so can a copy of ourselves be told what it is.
        pinned = [pin.certificate for pin in self._trust.pins.values()]
        context.load_verify_locations(cadata="\n".join([self._identity.certificate_pem, *pinned]))
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
            return UntrustedPeer(f"the certificate at {address} is not pinned here.")
        case ssl.SSLError() if any(word in (error.reason or "") for word in _CERTIFICATE_ALERTS):
            return UntrustedPeer(f"{address} refused this node's certificate: it is not pinned there.")
        case ssl.SSLError():
            return ProtocolError(f"no TLS 1.3 with {address}: {error.reason or error}.")
        case TimeoutError():
            return PeerLost(f"{address} did not answer in time.")
        case _:
            return PeerLost(f"no connection with {address}: {error.strerror or error}.")
