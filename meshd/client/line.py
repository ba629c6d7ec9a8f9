"""An asyncio client's line to its daemon: there when something is asked, and there again after it was lost."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from typing_extensions import Buffer

from meshd.client.conversation import Question, hello, understand, unreachable
from meshd.client.credit import afforded
from meshd.client.endpoint import Endpoint
from meshd.client.result import Result
from meshd.errors import Cancelled, DaemonUnreachable, DuplicateRequest, LinkError, MeshError, PeerLeft, PeerLost
from meshd.net.session import Session, State
from meshd.net.session_limits import SessionLimits
from meshd.wire.messages import Cancel, Fetch, Hello, Infer, Message

if TYPE_CHECKING:
    from meshd.client.brought_bundle import BroughtBundle

_RETRY_S = 0.1
"""Between two tries to reach a daemon that went away while a request of ours was there: it may be restarting."""

_LIMITS = SessionLimits(max_outgoing_bytes=2**62)
"""What waits to be sent are views of the callers' arrays, which are there anyway; cutting the connection for having a
lot to send would have all of it sent again, for ever. A daemon that reads nothing is given up all the same."""


class Line:
    """One connection at a time, with any number of questions in flight on it."""

    def __init__(self, endpoint: Endpoint, *, name: str, connect_timeout_s: float) -> None:
        self._endpoint = endpoint
        self._name = name
        self._connect_timeout_s = connect_timeout_s
        self._session: Session | None = None
        self._connecting = asyncio.Lock()
        self._is_closed = False
        self._bringing: list[BroughtBundle] = []
        self._pending: dict[str, tuple[Session, Future[Result | memoryview]]] = {}

    async def connected(self) -> Session:
        """Return the open session, opened now if there is none.

        Raises:
            DaemonUnreachable: no daemon is there.
        """
        if self._session is not None and self._session.state is State.OPEN and not self._is_closed:
            return self._session
        async with self._connecting:
            if self._is_closed:
                raise Cancelled("this client was closed.")
            if self._session is None or self._session.state is not State.OPEN:
                self._session = await self._open()
            return self._session

    async def close(self) -> None:
        """End the connection for good; what is in flight fails."""
        self._is_closed = True
        async with self._connecting:
            if self._session is not None:
                self._session.close()
                await self._session.closed()

    @contextmanager
    def bringing(self, bundle: BroughtBundle) -> Iterator[None]:
        """Give the daemon whatever it asks for of a bundle meanwhile."""
        self._bringing.append(bundle)
        try:
            yield
        finally:
            self._bringing.remove(bundle)

    async def ask(self, message: Question, parts: Sequence[Buffer]) -> Result | memoryview:
        """Send and wait; on a lost connection again under the same id, until the caller's time is over.

        Raises:
            DaemonUnreachable: no daemon is there.
            MeshError: what the daemon answers instead.
        """
        session = await self.connected()
        while True:
            try:
                return await self._exchange(session, message, parts)
            except LinkError as error:
                if not error.retryable:
                    raise
            session = await self._reconnected()

    async def _exchange(self, session: Session, message: Question, parts: Sequence[Buffer]) -> Result | memoryview:
        """Send on one connection and wait for what comes back on it."""
        if message.request_id in self._pending:
            raise DuplicateRequest(f"this client waits for {message.request_id!r} already.", hint="Share its result.")
        answer: Future[Result | memoryview] = asyncio.get_running_loop().create_future()
        self._pending[message.request_id] = session, answer
        try:
            if isinstance(message, Infer):
                message = await afforded(session, message, sum(memoryview(part).nbytes for part in parts))
            if not session.send(message, parts):
                raise PeerLost("the connection was closed.")
            return await answer
        except asyncio.CancelledError:
            session.send(Cancel(request_id=message.request_id))
            raise
        finally:
            del self._pending[message.request_id]

    async def _reconnected(self) -> Session:
        """Try until it works: only the caller's deadline ends a request that the daemon has accepted."""
        while True:
            try:
                return await self.connected()
            except DaemonUnreachable:
                await asyncio.sleep(_RETRY_S)

    async def _open(self) -> Session:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                if self._endpoint.socket:
                    _, session = await loop.create_unix_connection(self._new_session, str(self._endpoint.socket))
                else:
                    _, session = await loop.create_connection(
                        self._new_session, self._endpoint.host, self._endpoint.port
                    )
                await _greeted(session)
        except (OSError, TimeoutError, PeerLeft, PeerLost) as error:
            raise unreachable(self._endpoint, str(error) or "it did not answer in time") from error
        return session

    def _new_session(self) -> Session:
        session = Session(self._hello, dialled=True, limits=_LIMITS)
        session.on_message = self._received
        session.on_closed = self._lost
        return session

    def _hello(self) -> Hello:
        return hello(self._name, self._endpoint)

    def _received(self, session: Session, message: Message, payload: memoryview) -> None:
        if isinstance(message, Fetch):
            self._serve(session, message)
            return
        ended = understand(message, payload)
        if ended is None:
            return
        request_id, outcome = ended
        _, answer = self._pending.get(request_id, (None, None))
        if answer is not None and not answer.done():
            answer.set_exception(outcome) if isinstance(outcome, MeshError) else answer.set_result(outcome)

    def _serve(self, session: Session, fetch: Fetch) -> None:
        bundle = next((bundle for bundle in self._bringing if bundle.has(fetch.sha256)), None)
        if bundle is not None:
            session.send(*bundle.answer(fetch))

    def _lost(self, session: Session, error: LinkError | None) -> None:
        lost = error if error is not None else PeerLost("the connection was closed while the request was out.")
        for asked, answer in self._pending.values():
            if asked is session and not answer.done():
                answer.set_exception(lost)


async def _greeted(session: Session) -> None:
    """Exchange hellos; a connection that is given up before that is closed, for nobody would ever use it."""
    session.greet()
    try:
        await session.opened()
    except BaseException:
        session.abort()
        raise
