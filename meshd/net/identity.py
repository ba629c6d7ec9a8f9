"""Who this node is: a key pair made on first start, and a lock so that one daemon only uses it."""

from __future__ import annotations

import fcntl
import os
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from meshd import log
from meshd.core.ids import NodeId
from meshd.errors import IdentityInUse, SetupError
from meshd.net import anchor
from meshd.net.files import write_atomically

SECRET_FILE = "identity.pem"  # noqa: S105 - a name, not a password
"""Certificate and private key in one file, so that one rename makes both appear or neither."""
CERTIFICATE_FILE = "identity.crt"
"""The public part, for people and other programs to look at."""
LOCK_FILE = "lock"
INCARNATION_FILE = "incarnation"

# Pins do not expire and the clock of a small device may start in 1970, so the certificate is valid always.
# RFC 5280 section 4.1.2.5 gives the last second of 9999 to certificates without an end.
_VALID_FROM = datetime(1970, 1, 2, tzinfo=UTC)
_VALID_UNTIL = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def fingerprint(certificate_der: bytes) -> NodeId:
    """Return the node id that belongs to a certificate."""
    return NodeId(sha256(certificate_der).hexdigest())


class Identity:
    """A node's certificate, private key and incarnation, locked until released.

    Example: ``with Identity.load_or_create(state_dir) as identity: print(identity.node_id)``
    """

    def __init__(self, state_dir: Path, certificate_pem: str, incarnation: int, lock: int) -> None:
        self.secret_path = state_dir / SECRET_FILE
        self.certificate_path = state_dir / CERTIFICATE_FILE
        self.certificate_pem = certificate_pem
        self.node_id = fingerprint(ssl.PEM_cert_to_DER_cert(certificate_pem))
        self.incarnation = incarnation
        """Larger than that of every earlier start, also of a copy of this state directory that started earlier."""
        self._lock: int | None = lock

    @classmethod
    def load_or_create(cls, state_dir: Path, *, clock: Callable[[], float] = time.time) -> Self:
        """Load the identity kept in a directory, or make one there; count this start.

        Raises:
            IdentityInUse: another running daemon holds the directory.
            SetupError: the directory cannot be used, or its files are damaged.
        """
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _take_lock(state_dir / LOCK_FILE)
        except OSError as error:
            raise SetupError(f"the state directory {state_dir} cannot be used: {error}.") from error
        try:
            certificate = _load_or_create_certificate(state_dir)
            incarnation = _next_incarnation(state_dir / INCARNATION_FILE, clock())
            return cls(state_dir, certificate, incarnation, lock)
        except BaseException:
            os.close(lock)
            raise

    def release(self) -> None:
        """Let another process use the state directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _take_lock(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise IdentityInUse(
            f"a daemon with process id {holder} already uses {path.parent}.",
            hint="Stop it, or give this one its own --state-dir.",
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _load_or_create_certificate(state_dir: Path) -> str:
    secret = state_dir / SECRET_FILE
    if not secret.exists():
        write_atomically(secret, _new_key_pair(), mode=0o600)
        log.get_logger().info(log.IDENTITY_CREATED, path=str(secret))
    certificate = _checked_certificate(secret)
    write_atomically(state_dir / CERTIFICATE_FILE, certificate.encode(), mode=0o644)
    return certificate


def _checked_certificate(secret: Path) -> str:
    try:
        if secret.stat().st_mode & 0o077:
            raise SetupError(f"{secret} holds a private key and others may read it.", hint=f"Run: chmod 600 {secret}")
        # Loading it into a context is what checks that key and certificate belong together.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(secret)
        text = secret.read_text()
        end = ssl.PEM_FOOTER + "\n"
        return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)]))
    except (OSError, ValueError) as error:
        raise SetupError(
            f"the identity in {secret} is damaged: {error}.",
            hint="Restore it from a backup, or remove it to become a new node that has to be paired again.",
        ) from error


def _new_key_pair() -> bytes:
    """Return PEM of a new P-256 key's certificate, issued by :mod:`meshd.net.anchor`, and of the key."""
    # Loaded on first start only: it costs memory that a watch has better use for.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

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


def _next_incarnation(path: Path, now_s: float) -> int:
    """Return the time in ms, or one more than last time where the clock has gone back since."""
    try:
        previous = int(path.read_text())
    except (FileNotFoundError, ValueError):  # Damaged: the time alone is nearly always larger, too.
        previous = 0
    incarnation = max(previous + 1, int(now_s * 1000))
    write_atomically(path, f"{incarnation}\n".encode(), mode=0o600)
    return incarnation
