"""Accepts connections and lets at most a few of them be unfinished at a time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from meshd import log
from meshd.config.config import Shaping
from meshd.errors import LinkError
from meshd.net.session import Session
from meshd.net.shaping import shaped
from meshd.net.tls import HANDSHAKE_S, SHUTDOWN_S, explained

MAX_UNFINISHED = 32
"""Connections without a hello. Each holds about 200 KiB; a home has fewer nodes than this. The next ones wait in the
system's own queue: many programs may start at once, and each of the unfinished ends within seconds."""

# Without file descriptors accepting fails at once, again and again; the pause keeps that from eating a core.
_PAUSE_S = 1.0


class Acceptor:
    """Listens on one socket. ``on_refused`` hears who did not get as far as a session, and why."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        session: Callable[[], Session],
        tls: ssl.SSLContext | None = None,
        shaping: Shaping | None = None,
        on_refused: Callable[[Session, str, LinkError], None],
    ) -> None:
        self._listener = listener
        self._session = session
        self._tls = tls
        self._shaping = shaping or Shaping()
        self._on_refused = on_refused
        self._unfinished: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name="acceptor")

    async def close(self) -> None:
        """Stop accepting and give up what is unfinished."""
        tasks = [self._accepting, *self._unfinished]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if len(self._unfinished) >= MAX_UNFINISHED:
                await asyncio.wait(self._unfinished, return_when=asyncio.FIRST_COMPLETED)
            try:
                connection, peer = await loop.sock_accept(self._listener)
            except OSError as error:
                log.get_logger().error(log.LINK_FAILED, address="listener", reason=str(error))
                await asyncio.sleep(_PAUSE_S)
                continue
            task = asyncio.create_task(self._finish(connection, _host_of(peer)), name="handshake")
            self._unfinished.add(task)
            task.add_done_callback(self._unfinished.discard)

    async def _finish(self, connection: socket.socket, host: str) -> None:
        """Bring a connection through TLS to the end of the hellos; then it runs by itself."""
        session = self._session()
        loop = asyncio.get_running_loop()
        timeouts = {"ssl_handshake_timeout": HANDSHAKE_S, "ssl_shutdown_timeout": SHUTDOWN_S} if self._tls else {}
        try:
            await loop.connect_accepted_socket(
                lambda: shaped(session, self._shaping), connection, ssl=self._tls, **timeouts
            )
            await session.opened()
        except LinkError as error:
            self._on_refused(session, host, error)
        except OSError as error:
            self._on_refused(session, host, explained(error, host))
        except asyncio.CancelledError:
            session.abort()
            raise


def _host_of(peer: object) -> str:
    return str(peer[0]).removeprefix("::ffff:") if isinstance(peer, tuple) else "a local process"
