"""Two sessions wired to each other in memory: a network without sockets, for tests and for trying things."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from typing_extensions import override

from meshd.net.session import Session, admit_anyone
from meshd.net.session_limits import SessionLimits
from meshd.wire.messages import Hello

Admit = Callable[[Session, Hello], None]


class Wire:
    """One direction between two protocols: bytes arrive in a later turn of the loop, in order."""

    def __init__(self, writer: asyncio.BufferedProtocol, reader: asyncio.BufferedProtocol) -> None:
        self.high_water_bytes = 64 * 2**10
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        self._reader = reader
        self._chunks: deque[bytes] = deque()
        self._held = False
        self._paused = False

    def carry(self, data: bytes) -> None:
        """Take bytes for delivery, and pause the writer when too many are under way."""
        self._chunks.append(data)
        self._loop.call_soon(self._deliver)
        if not self._paused and sum(map(len, self._chunks)) > self.high_water_bytes:
            self._paused = True
            self._writer.pause_writing()

    def hold(self) -> None:
        """Deliver nothing, as to a reader that is stuck."""
        self._held = True

    def release(self) -> None:
        """Deliver again."""
        self._held = False
        self._loop.call_soon(self._deliver)

    def cut(self) -> None:
        """Lose what is under way."""
        self._chunks.clear()
        self._held = True

    def _deliver(self) -> None:
        while self._chunks and not self._held:
            self._hand_over(memoryview(self._chunks.popleft()))
        if self._paused and not self._chunks:
            self._paused = False
            self._writer.resume_writing()

    def _hand_over(self, data: memoryview) -> None:
        while data and not self._held:
            buffer = memoryview(self._reader.get_buffer(len(data)))
            n_bytes = min(len(buffer), len(data))
            buffer[:n_bytes] = data[:n_bytes]
            self._reader.buffer_updated(n_bytes)
            data = data[n_bytes:]


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory; ``incoming.hold()`` makes this end stop reading."""

    def __init__(self, protocol: asyncio.BufferedProtocol, outgoing: Wire, incoming: Wire) -> None:
        super().__init__({"peername": "memory"})
        self.incoming = incoming
        self._protocol = protocol
        self._outgoing = outgoing
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._other: MemoryTransport

    @classmethod
    def connect(cls, one: asyncio.BufferedProtocol, two: asyncio.BufferedProtocol) -> tuple[Self, Self]:
        """Connect two protocols and tell both."""
        there, back = Wire(one, two), Wire(two, one)
        first, second = cls(one, there, back), cls(two, back, there)
        first._other, second._other = second, first
        one.connection_made(first)
        two.connection_made(second)
        return first, second

    @override
    def write(self, data: Any) -> None:
        if not self._closing:
            self._outgoing.carry(bytes(data))

    @override
    def close(self) -> None:
        if not self._closing:
            self._loop.call_soon(self._other.lose)
            self.lose()

    @override
    def abort(self) -> None:
        self.close()

    @override
    def is_closing(self) -> bool:
        return self._closing

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is not None:
            self._outgoing.high_water_bytes = high

    def lose(self) -> None:
        """Lose the connection at this end only, as when the network breaks."""
        if not self._closing:
            self._closing = True
            self.incoming.cut()
            self._loop.call_soon(self._protocol.connection_lost, None)


def session_pair(
    dialler: Callable[[], Hello],
    acceptor: Callable[[], Hello],
    *,
    admit: Admit = admit_anyone,
    limits: SessionLimits | None = None,
) -> tuple[Session, Session]:
    """Return two sessions that will have exchanged hellos soon: await ``opened()`` on either.

    ``admit`` belongs to the acceptor; set the callbacks before the next turn of the loop.
    """
    one = Session(dialler, dialled=True, limits=limits)
    two = Session(acceptor, dialled=False, admit=admit, limits=limits)
    MemoryTransport.connect(one, two)
    one.greet()
    return one, two
