"""Makes a node's certificate and private key. Run as a program, it writes them to standard output.

The one place that imports cryptography; :mod:`meshd.net.identity` runs it, once in a node's life.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meshd.net import anchor

# Pins do not expire and the clock of a small device may start in 1970, so the certificate is valid always.
# RFC 5280 section 4.1.2.5 gives the last second of 9999 to certificates without an end.
_VALID_FROM = datetime(1970, 1, 2, tzinfo=UTC)
_VALID_UNTIL = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def new_key_pair() -> bytes:
    """Return PEM of a new P-256 key's certificate, issued by :mod:`meshd.net.anchor`, and of the key."""
    key, anchor_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.derive_private_key(anchor.PRIVATE_VALUE, ec.SECP256R1()),
    )
    issuer = x509.load_pem_x509_certificate(anchor.CERTIFICATE.encode()).subject
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "meshd node")])
    serial = x509.random_serial_number()
    certificate = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), serial, _VALID_FROM, _VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(anchor_key.public_key()), critical=False)
        .sign(anchor_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(new_key_pair())
