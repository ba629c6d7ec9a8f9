"""One connection that speaks our protocol: hello first, then typed messages, then a goodbye.

The same class serves both ends, over TLS, a unix socket or memory. The side that dialled says hello first; the
other answers only after it has admitted what it heard. On TLS the certificate comes before all of that: unless its
fingerprint is trusted, the connection is cut before a byte is read or written. No task per session and none per
message: everything happens inside the transport's callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum, auto
from time import monotonic
from typing import cast

from typing_extensions import Buffer, override

from meshd import log
from meshd.core.ids import NodeId
from meshd.errors import (
    InvalidInput,
    LinkError,
    Overloaded,
    PeerLost,
    ProtocolError,
    SlowReader,
    UntrustedPeer,
)
from meshd.net.accounts import Accounts
from meshd.net.address import address_of
from meshd.net.arriving import Arrival
from meshd.net.local_user import local_user
from meshd.net.loss import loss_by, loss_without_goodbye
from meshd.net.outgoing import Outgoing
from meshd.net.postponed import Postponed
from meshd.net.session_limits import SessionLimits
from meshd.net.tls import peer_fingerprint
from meshd.wire.frame import HEADER, MAX_METADATA_BYTES, FrameReader, decode, encode
from meshd.wire.messages import MAX_TEXT_LENGTH, Cancel, Goodbye, Heartbeat, Hello, Infer, Message, Refusal, Result

_MOST_WINDOWS_UNREAD = 4
"""Of answers to what was taken up before it showed that they are not read; those that come later are told, not kept."""


class State(Enum):
    """Where a session is in its life; it only ever moves down this list."""

    GREETING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


def trust_nobody(_node_id: NodeId) -> bool:
    """Trust no certificate, so that a session on TLS has to be told whom to trust."""
    return False


def admit_anyone(_session: Session, _hello: Hello) -> None:
    """Accept every hello; for a side that has nothing to protect."""


class Session(asyncio.BufferedProtocol):
    """A connection to one peer or client.

    ``trusts`` is asked about the other side's certificate where there is TLS, ``admit`` about its hello; the latter
    raises a LinkError to refuse. The three callbacks may be set at any time before they are due: ``on_open`` once
    after both hellos, ``on_message`` for each message after it, ``on_closed`` exactly once at the end, with none
    when this side closed without an error.
    """

    def __init__(
        self,
        hello: Callable[[], Hello],
        *,
        dialled: bool,
        trusts: Callable[[NodeId], bool] = trust_nobody,
        admit: Callable[[Session, Hello], None] = admit_anyone,
        limits: SessionLimits | None = None,
    ) -> None:
        self.dialled = dialled
        self.state = State.GREETING
        self.remote: Hello | None = None
        """What the other side said it is; set from ``on_open`` on."""
        self.fingerprint: NodeId | None = None
        """Of the other side's certificate; none on a transport without TLS."""
        self.owner: str = ""
        """Who answers for the other side: the node of its certificate, or the user whose program it is."""
        self.address = "nowhere"
        self.opened_s: float | None = None
        """When both hellos had been exchanged, by the steady clock."""
        self.rtt_s: float | None = None
        """Latest round trip of a heartbeat and its echo."""
        self.goodbye: Goodbye | None = None
        """The other side's last word, when it had one."""
        self.on_open: Callable[[Session], None] = lambda _session: None
        self.on_message: Callable[[Session, Message, memoryview], None] = lambda _session, _message, _payload: None
        self.on_closed: Callable[[Session, LinkError | None], None] = lambda _session, _error: None
        self._hello = hello
        self._trusts = trusts
        self._admit = admit
        self._limits = limits or SessionLimits()
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(max_payload_bytes=0)  # A stranger may not make us set memory aside.
        self._timer: asyncio.TimerHandle | None = None
        self._error: LinkError | None = None
        self._beat = (-1, 0.0)
        self._accounts = Accounts(self._limits.window_bytes, tell=self._write)
        self._postponed = Postponed()
        self._arrival = Arrival(self._give_up_reading, stalled_s=self._limits.stalled_s, among=self._limits.arriving)
        self._greeted = self._loop.create_future()
        self._ended = self._loop.create_future()
        self._transport: asyncio.Transport
        self._outgoing: Outgoing

    # ------------------------------------------------------------------------------------ for the session's user

    def greet(self) -> None:
        """Say hello; the side that dialled begins."""
        if self.state is State.GREETING:
            self._write(self._hello())

    @property
    def unread_bytes(self) -> int:
        """Return how much waits here because the other side does not read."""
        return self._outgoing.waiting_bytes

    async def opened(self) -> None:
        """Wait for both hellos.

        Raises:
            LinkError: the session ended instead.
        """
        await asyncio.shield(self._greeted)
        if self.opened_s is None:
            raise self._error or PeerLost(f"the session with {self.address} was closed before it opened.")

    async def closed(self) -> LinkError | None:
        """Wait for the end of the session and return what ended it, none when this side did without an error."""
        await asyncio.shield(self._ended)
        return self._error

    def affords(self, payload_bytes: int) -> bool:
        """Tell whether the other side's credit covers a request with so much payload now."""
        return self.state is State.OPEN and self._accounts.allowance.covers(payload_bytes)

    async def afforded(self, payload_bytes: int) -> None:
        """Wait, behind those who wait already, until a request may be sent, or the session has ended."""
        await self._accounts.afforded(payload_bytes)

    def send(self, message: Message, payload_parts: Sequence[Buffer] = ()) -> bool:
        """Send a message without waiting, and tell whether it was taken.

        A session that is not open takes none, and without credit no Infer.

        Large payload parts are not copied: leave them unchanged afterwards.

        Raises:
            InvalidInput: the message is larger than a frame may be.
        """
        if self.state is not State.OPEN:
            return False
        if type(message) is Result or type(message) is Refusal:
            return self._answer(message, payload_parts)
        if type(message) is Infer:
            return self._ask(message, payload_parts)
        if type(message) is Cancel:
            self._withdraw(message)
        if type(message) is Heartbeat and not message.echo and not payload_parts:
            self._beat = message.sequence, monotonic()
        return self._write(message, payload_parts)

    def close(self, code: str = "left", message: str = "", *, error: LinkError | None = None) -> None:
        """Say goodbye with a code, send what waits, and end the session."""
        if self.state in (State.CLOSING, State.CLOSED):
            return
        self._write(Goodbye(code=code, message=message[:MAX_TEXT_LENGTH]))
        self._error = self._error or error
        self.state = State.CLOSING
        self._outgoing.when_drained(self._hang_up)

    def abort(self, error: LinkError | None = None) -> None:
        """End the session at once; nothing more is sent."""
        if self.state is State.CLOSED:
            return
        self._error = self._error or error
        self.state = State.CLOSING
        self._outgoing.discard()
        self._transport.abort()

    # ----------------------------------------------------------------------------------------- for the transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.fingerprint = peer_fingerprint(transport)
        self.owner = self.fingerprint or local_user(transport)
        self._outgoing = Outgoing(
            self._transport,
            owner=self.owner,
            stalled_s=self._limits.stalled_s,
            on_stalled=self._give_up_writing,
            on_slowest=self._give_up_slow_reader,
            among=self._limits.unread,
        )
        self.address = address_of(transport)
        self._set_timer(self._limits.hello_s, self._give_up_greeting)
        if self.fingerprint is not None and not self._trusts(self.fingerprint):
            why = "not the one that was dialled" if self.dialled else "not pinned here"
            self.abort(UntrustedPeer(f"the node {self.fingerprint} at {self.address} is {why}."))

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.get_buffer(sizehint)

    @override
    def buffer_updated(self, nbytes: int) -> None:
        if self.state is State.CLOSING or self.state is State.CLOSED:
            return
        try:
            for frame in self._reader.received(nbytes):
                self._take(decode(frame), frame.payload)
            if self._reader.unfinished_bytes or self._arrival.began:
                self._arrival.goes_on(self._reader.unfinished_bytes)
        except LinkError as error:
            self._refuse(error)

    @override
    def pause_writing(self) -> None:
        self._outgoing.pause()

    @override
    def resume_writing(self) -> None:
        self._outgoing.resume()
        self._take_up()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        was, self.state = self.state, State.CLOSED
        self._set_timer(None, self.abort)
        self._outgoing.discard()
        if was is not State.CLOSING:
            self._error = self._why_lost(exc, was)
        self._accounts.close()
        self._postponed.clear()
        self._arrival.end()
        self._reader.close()
        for waiter in (self._greeted, self._ended):
            if not waiter.done():
                waiter.set_result(None)
        self.on_closed(self, self._error)

    # ----------------------------------------------------------------------------------------------------- inside

    def _take(self, message: Message, payload: memoryview) -> None:
        if type(message) is Goodbye:
            self.goodbye = message
            self.abort(loss_by(message, self.address))
        elif self.state is State.OPEN:
            if type(message) is Heartbeat and message.echo and message.sequence == self._beat[0]:
                self.rtt_s = monotonic() - self._beat[1]
            if not self._accounts.received(message, len(payload)):
                return
            if type(message) is Infer:
                if self._postponed.waiting or self._outgoing.waiting_bytes > self._limits.window_bytes:
                    self._postponed.add(message, payload)
                    return
            elif type(message) is Cancel:
                self._postponed.forget(message.request_id)
                self._outgoing.withdraw((Result, message.request_id))
            self.on_message(self, message, payload)
        elif self.state is State.GREETING:
            self._take_hello(message)

    def _take_up(self) -> None:
        """Pass on what was postponed, until too much is unread again."""
        while (
            self._postponed.waiting
            and self.state is State.OPEN
            and self._outgoing.waiting_bytes <= self._limits.window_bytes
        ):
            self.on_message(self, *self._postponed.take())

    def _ask(self, infer: Infer, payload_parts: Sequence[Buffer]) -> bool:
        payload_bytes = 0
        for part in payload_parts:
            payload_bytes += memoryview(part).nbytes
        # Charged last: what is too large to be sent costs nothing.
        return (
            self._accounts.allowance.covers(payload_bytes)
            and self._write(infer, payload_parts, payload_bytes=payload_bytes)
            and self._accounts.allowance.take(payload_bytes)
        )

    def _withdraw(self, cancel: Cancel) -> None:
        """Drop requests that still wait here; what has begun to be sent goes out whole."""
        for payload_bytes in self._outgoing.withdraw((Infer, cancel.request_id)):
            self._accounts.withdrawn(payload_bytes)

    def _answer(self, answer: Result | Refusal, payload_parts: Sequence[Buffer]) -> bool:
        unread_bytes = self._outgoing.waiting_bytes
        if unread_bytes > _MOST_WINDOWS_UNREAD * self._limits.window_bytes and isinstance(answer, Result):
            answer, payload_parts = _unread(answer), ()
        taken = self._write(answer, payload_parts)
        self._accounts.answered(answer)
        return taken

    def _take_hello(self, message: Message) -> None:
        if not isinstance(message, Hello):
            raise ProtocolError(f"the first message is a {type(message).__name__} instead of a Hello.")
        self._admit(self, message)
        self._set_timer(None, self.abort)
        self.remote = message
        self.opened_s = monotonic()
        if not self.dialled:
            self.greet()
        self.state = State.OPEN
        self._reader.max_payload_bytes = self._limits.max_payload_bytes
        if not self._greeted.done():
            self._greeted.set_result(None)
        self._accounts.tell_grant()
        self.on_open(self)

    def _refuse(self, error: LinkError) -> None:
        if isinstance(error, ProtocolError):
            log.get_logger().warning(
                log.FRAME_REFUSED, address=self.address, node_id=self.fingerprint, reason=str(error)
            )
        self.close(error.code, str(error), error=error)

    def _write(self, message: Message, payload_parts: Sequence[Buffer] = (), *, payload_bytes: int = 0) -> bool:
        buffers = encode(message, payload_parts)
        n_bytes = sum(map(len, buffers))
        if n_bytes - HEADER.size - MAX_METADATA_BYTES > self._limits.max_payload_bytes:
            raise InvalidInput(
                f"a message of {n_bytes:,} bytes; its tensors may take {self._limits.max_payload_bytes:,}."
            )
        waiting = self._outgoing.waiting_bytes
        if waiting + n_bytes > self._limits.max_outgoing_bytes:
            self.abort(PeerLost(f"{self.address} does not read, and {waiting:,} bytes wait for it."))
            return False
        name = (type(message), message.request_id) if isinstance(message, Infer | Result) else None
        self._outgoing.write(buffers, n_bytes, name=name, payload_bytes=payload_bytes)
        return True

    def _hang_up(self) -> None:
        self._set_timer(self._limits.hello_s, self.abort)
        # Not now: asyncio may be in the middle of resume_writing, after which it would end the connection once more.
        self._loop.call_soon(self._transport.close)

    def _set_timer(self, delay_s: float | None, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay_s is None else self._loop.call_later(delay_s, then)

    def _give_up_greeting(self) -> None:
        self.abort(PeerLost(f"{self.address} did not say hello within {self._limits.hello_s:g} s."))

    def _give_up_reading(self, why: str) -> None:
        self.abort(PeerLost(f"{self.address}: {why}"))

    def _give_up_writing(self) -> None:
        self.abort(PeerLost(f"{self.address} has read nothing for {self._limits.stalled_s:g} s."))

    def _give_up_slow_reader(self, why: str) -> None:
        error = SlowReader(f"{self.address}: {why}", hint="Read answers as they come; ask again by their ids.")
        log.get_logger().warning(log.READER_CUT, address=self.address, node_id=self.fingerprint, reason=str(error))
        self.abort(error)

    def _why_lost(self, exc: Exception | None, was: State) -> LinkError:
        is_handshake_behind = was is State.GREETING and self.dialled and self.fingerprint is not None
        return loss_without_goodbye(exc, self.address, is_handshake_behind=is_handshake_behind)


def _unread(result: Result) -> Refusal:
    why = Overloaded("this session leaves its answers unread.", hint="Read them, then ask again with the same id.")
    return Refusal(request_id=result.request_id, code=why.code, message=str(why))
