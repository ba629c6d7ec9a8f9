"""Who this node is: a key pair made on first start, and a lock so that one daemon only uses it."""

from __future__ import annotations

import fcntl
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from meshd import log
from meshd.core.ids import NodeId
from meshd.errors import IdentityInUse, SetupError
from meshd.net.files import write_atomically
from model_registry import small_file

SECRET_FILE = "identity.pem"  # noqa: S105 - a name, not a password
"""Certificate and private key in one file, so that one rename makes both appear or neither."""
CERTIFICATE_FILE = "identity.crt"
"""The public part, for people and other programs to look at."""
LOCK_FILE = "lock"
INCARNATION_FILE = "incarnation"
_MAKER = "meshd.net.key_pair"
"""The program that makes what goes into the secret file."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


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
            return cls._opened(state_dir, clock)
        except OSError as error:
            message = f"the state directory {state_dir} cannot be used: {error}."
            raise SetupError(message, hint="Look at its disk and its permissions.") from error

    @classmethod
    def _opened(cls, state_dir: Path, clock: Callable[[], float]) -> Self:
        lock = _take_lock(state_dir / LOCK_FILE)
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
            hint="Stop it, or give this one a node.state_dir of its own.",
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
        text = small_file.read(secret).decode()
        # Loading it into a context is what checks that key and certificate belong together.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(secret)
        end = ssl.PEM_FOOTER + "\n"
        return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)]))
    except (OSError, ValueError) as error:
        raise SetupError(
            f"the identity in {secret} is damaged: {error}.",
            hint="Restore it from a backup, or remove it to become a new node that has to be paired again.",
        ) from error


def _new_key_pair() -> bytes:
    """Have a process of its own make certificate and key: in this one, cryptography would keep 10 MB for good.

    It cannot be interrupted: Ctrl-C is for this process, which would otherwise take the maker's end for a failure.
    """
    maker = [sys.executable, "-P", "-m", _MAKER]
    try:
        with _endings_held_back():
            made = subprocess.run(maker, check=True, stdout=subprocess.PIPE)  # noqa: S603 - this interpreter, our module
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"no key could be made for this node: {error}.", hint=f"Try: {' '.join(maker)}") from error
    return made.stdout


@contextmanager
def _endings_held_back() -> Iterator[None]:
    """Let signals that end a process wait; a child inherits that before it could receive any."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _next_incarnation(path: Path, now_s: float) -> int:
    """Return the time in ms, or one more than last time where the clock has gone back since."""
    try:
        previous = int(small_file.read(path))
    except (FileNotFoundError, ValueError):  # Damaged: the time alone is nearly always larger, too.
        previous = 0
    incarnation = max(previous + 1, int(now_s * 1000))
    write_atomically(path, f"{incarnation}\n".encode(), mode=0o600)
    return incarnation
