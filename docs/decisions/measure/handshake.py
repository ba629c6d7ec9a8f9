"""Measure a TLS 1.3 handshake with client certificates, in memory, for the keys a node could have.

Run: ``python docs/decisions/measure/handshake.py``
"""

from __future__ import annotations

import ssl
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

COUNT = 300


def self_signed(path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> int:
    """Write certificate and key, and return the size of the certificate in bytes."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "meshd node")])
    begin, end = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    digest = hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, end).sign(key, digest)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return len(certificate.public_bytes(serialization.Encoding.DER))


def context(protocol: int, path: Path) -> ssl.SSLContext:
    """Return a context that demands the certificate that it also presents."""
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(path)
    made.load_verify_locations(path)
    return made


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Run both sides to the end of the handshake."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_side=False),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)


def main() -> None:
    """Print the table."""
    keys: dict[str, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey] = {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, key in keys.items():
            path = Path(folder, name)
            n_bytes = self_signed(path, key)
            server, client = context(ssl.PROTOCOL_TLS_SERVER, path), context(ssl.PROTOCOL_TLS_CLIENT, path)
            seconds = []
            for _ in range(COUNT):
                begin = time.perf_counter()
                shake_hands(server, client)
                seconds.append(time.perf_counter() - begin)
            print(f"{name:8} certificate {n_bytes} bytes, both sides {np.median(seconds) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
