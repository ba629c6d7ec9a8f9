"""Where programs on this device connect: a unix socket, and on request a TCP port of the loopback interface."""

from __future__ import annotations

import asyncio
import errno
import hmac
import os
import secrets
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

from meshd import log
from meshd.errors import AddressInUse, ConfigInvalid, LinkError, ProtocolError, UntrustedPeer
from meshd.net.acceptor import Acceptor
from meshd.net.address import Address, is_loopback, listening_socket
from meshd.net.files import write_atomically
from meshd.net.session import Session
from meshd.net.session_limits import SessionLimits
from meshd.wire.messages import Hello
from model_registry import small_file

SOCKET_MODE = 0o660
"""The owner's and the group's programs may ask for inferences; nobody else on the device."""


class ClientEndpoint:
    """Accepts clients and hands each to ``on_client`` once it has said hello.

    ``on_client`` sets the session's ``on_message`` and ``on_closed``.
    """

    def __init__(
        self,
        hello: Callable[[], Hello],
        on_client: Callable[[Session], None],
        *,
        limits: SessionLimits | None = None,
    ) -> None:
        self.port = 0
        """Of the TCP port, once there is one."""
        self._hello = hello
        self._on_client = on_client
        self._limits = limits
        self._sessions: WeakSet[Session] = WeakSet()
        self._acceptors: list[Acceptor] = []
        self._socket_file: tuple[Path, int] | None = None

    async def listen_unix(self, path: Path) -> None:
        """Listen on a unix socket; what a crashed daemon left there is replaced.

        Raises:
            AddressInUse: a living daemon answers there.
            ConfigInvalid: the path cannot be a socket.
        """
        self._accept(unix_listener(path), token=None)
        self._socket_file = path, _inode(path)
        log.get_logger().info(log.ENDPOINT_OPENED, address=str(path))

    async def listen_tcp(self, address: Address, token: str) -> None:
        """Listen on a TCP port of this machine for clients that know a token.

        Raises:
            AddressInUse: another program listens there.
            ConfigInvalid: the address is not loopback, or the token is empty.
        """
        if not is_loopback(address.host):
            raise ConfigInvalid(
                f"clients would connect without encryption to {address}.",
                hint="Use 127.0.0.1 or ::1; from elsewhere, run meshd there and pair the two.",
            )
        if not token:
            raise ConfigInvalid("the TCP endpoint needs a token, and it is empty.")
        listener = listening_socket(address)
        self.port = listener.getsockname()[1]
        self._accept(listener, token=token)
        log.get_logger().info(log.ENDPOINT_OPENED, address=str(Address(address.host, self.port)))

    async def stop(self) -> None:
        """Say goodbye to all clients, stop listening and remove the socket file."""
        for acceptor in self._acceptors:
            await acceptor.close()
        sessions = list(self._sessions)
        for session in sessions:
            session.close("left", "the daemon is stopping")
        await asyncio.gather(*(session.closed() for session in sessions))
        if self._socket_file is not None:
            _remove_own(*self._socket_file)

    def _accept(self, listener: socket.socket, token: str | None) -> None:
        def new_session() -> Session:
            session = Session(
                self._hello,
                dialled=False,
                admit=lambda _session, hello: _check(hello, token),
                limits=self._limits,
            )
            session.on_open = self._opened
            return session

        self._acceptors.append(Acceptor(listener, session=new_session, on_refused=_refused))

    def _opened(self, session: Session) -> None:
        self._sessions.add(session)
        self._on_client(session)


def load_or_create_token(path: Path) -> str:
    """Return the token that a TCP client must show, made on first use; only this user can read it.

    Raises:
        ConfigInvalid: the file cannot be read, or not be made.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, f"{secrets.token_urlsafe(32)}\n".encode(), mode=0o600)
        return small_file.read(path).decode().strip()
    except (OSError, ValueError) as error:
        hint = "Look at client.token_file; without the file a new token is made."
        raise ConfigInvalid(f"the token in {path} cannot be used: {error}.", hint=hint) from error


def unix_listener(path: Path) -> socket.socket:
    """Return a listening unix socket at a path.

    Raises:
        AddressInUse: somebody answers there.
        ConfigInvalid: something else than a socket is there, or the path cannot be used.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _clear_away(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode has to be right from the first moment, and bind applies only the process's mask.
    before = os.umask(0o777 & ~SOCKET_MODE)
    try:
        listener.bind(os.fspath(path))
    except OSError as error:
        listener.close()
        raise ConfigInvalid(
            f"no socket can be made at {path}: {error}.", hint="A socket's path has 107 characters at most."
        ) from error
    finally:
        os.umask(before)
    listener.listen()
    listener.setblocking(False)
    return listener


def _clear_away(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigInvalid(f"{path} exists and is no socket.", hint="Remove it or configure another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        refused = probe.connect_ex(os.fspath(path))
    if refused not in (errno.ECONNREFUSED, errno.ENOENT):
        raise AddressInUse(f"another daemon answers at {path}.", hint="Stop it, or configure another socket.")
    path.unlink(missing_ok=True)


def _inode(path: Path) -> int:
    return path.stat().st_ino


def _remove_own(path: Path, inode: int) -> None:
    """Remove our socket file, unless another daemon has put its own there."""
    try:
        if _inode(path) == inode:
            path.unlink()
    except FileNotFoundError:
        return


def _check(hello: Hello, token: str | None) -> None:
    if hello.role != "client":
        raise ProtocolError("this endpoint is for clients; peers connect to the peer port.")
    if token is not None and not hmac.compare_digest((hello.token or "").encode(), token.encode()):
        raise UntrustedPeer("the token is wrong or missing.", hint="It stands in the daemon's token file.")


def _refused(_session: Session, host: str, error: LinkError) -> None:
    log.get_logger().warning(log.CLIENT_REFUSED, address=host, code=error.code, reason=str(error))
