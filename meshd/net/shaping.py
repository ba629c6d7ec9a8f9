"""A slower network than there is, for tests and demonstrations: what a session sends is late and in turn.

It stands between a session and its transport, above TLS, so that a kernel without ``tc netem`` and a user without root
have links of every speed. Exact in what it schedules; a loop that counts in milliseconds wakes so much beside the time,
and what is behind does not wait longer for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from time import monotonic
from typing import Any, Protocol, cast

from typing_extensions import override

from meshd.config.config import LinkShape, Shaping
from meshd.net.session import Session

_HIGH_WATER_BYTES = 64 * 2**10
"""What asyncio lets wait in a transport unless told otherwise."""

_UNPACED_WINDOW_BYTES = 16 * 2**20
"""What may be under way on a link that has a delay and no rate: a TCP window at its largest on Linux, near enough."""


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Call it off."""
        ...


class Clock(Protocol):
    """What scheduling takes; a test turns it by hand."""

    def time(self) -> float:
        """Return the seconds now."""
        ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Call back at that time."""
        ...


class SteadyClock:
    """The system's steady clock: a loop's own may tell whole milliseconds only."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        """Return the seconds now."""
        return monotonic()

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Call back at that time, or a millisecond beside it."""
        return self._loop.call_later(max(0.0, when - monotonic()), callback)


class Pace:
    """When what is sent arrives at the other end of a link: after what is before it, its own length, and a delay.

    The jitter is added to the delay, evenly up to its bound; order is kept, as TCP keeps it.
    """

    def __init__(self, shape: LinkShape, seed: int) -> None:
        self.shape = shape
        self._chance = Random(seed)  # noqa: S311  Jitter that can be had again, no secret.
        self._free_s = float("-inf")
        self._latest_s = float("-inf")

    @property
    def in_flight_bytes(self) -> int:
        """Return how much is under way at once when the link is busy, behind what has been sent and not arrived."""
        if self.shape.rate_bps is None:
            return _UNPACED_WINDOW_BYTES
        return round(self.shape.rate_bps / 8.0 * (self.shape.delay_s + self.shape.jitter_s))

    def arrival_s(self, n_bytes: int, now: float) -> float:
        """Send so many bytes from now on, and return when the last of them arrives."""
        shape = self.shape
        serialised_s = 8.0 * n_bytes / shape.rate_bps if shape.rate_bps else 0.0
        self._free_s = max(now, self._free_s) + serialised_s
        late_s = shape.delay_s + shape.jitter_s * self._chance.random()
        self._latest_s = max(self._latest_s, self._free_s + late_s)
        return self._latest_s


class ShapedTransport(asyncio.Transport):
    """A transport that passes on to another one what is due; what waits is bounded by pausing its protocol."""

    def __init__(
        self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol, pace: Callable[[], Pace], clock: Clock
    ) -> None:
        super().__init__()
        self.held_bytes = 0
        self._transport = transport
        self._protocol = protocol
        self._pace = pace
        self._clock = clock
        self._high_bytes = _HIGH_WATER_BYTES
        self._due: deque[tuple[float, memoryview]] = deque()
        self._timer: Timer | None = None
        self._blocked = False
        self._paused = False
        self._closing = False

    # --------------------------------------------------------------------------------------------- for the session

    @override
    def write(self, data: Any) -> None:
        if self._closing:
            return
        piece = memoryview(data)
        self.held_bytes += piece.nbytes
        self._due.append((self._pace().arrival_s(piece.nbytes, self._clock.time()), piece))
        self._wait()
        if not self._paused and self.held_bytes > self._window_bytes:
            self._paused = True
            self._protocol.pause_writing()

    @override
    def close(self) -> None:
        self._closing = True
        if not self._due:
            self._transport.close()

    @override
    def abort(self) -> None:
        self.forget()
        self._transport.abort()

    @override
    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_bytes = _HIGH_WATER_BYTES if high is None else high

    @override
    def get_write_buffer_size(self) -> int:
        return self.held_bytes + self._transport.get_write_buffer_size()

    @override
    def pause_reading(self) -> None:
        self._transport.pause_reading()

    @override
    def resume_reading(self) -> None:
        self._transport.resume_reading()

    # ---------------------------------------------------------------------------------------- for the real transport

    def block(self) -> None:
        """Pass on nothing: the real network is slower than the shape."""
        self._blocked = True

    def unblock(self) -> None:
        """Pass on again, at once what has become due."""
        self._blocked = False
        self._pass_on()

    def forget(self) -> None:
        """Drop what waits."""
        self._closing = True
        self._due.clear()
        self.held_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ----------------------------------------------------------------------------------------------------- inside

    @property
    def _window_bytes(self) -> int:
        return self._high_bytes + self._pace().in_flight_bytes

    def _wait(self) -> None:
        if self._timer is None and self._due:
            self._timer = self._clock.call_at(self._due[0][0], self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._pass_on()

    def _pass_on(self) -> None:
        while self._due and not self._blocked and self._due[0][0] <= self._clock.time():
            _, piece = self._due.popleft()
            self.held_bytes -= piece.nbytes
            self._transport.write(piece)
        if not self._blocked:
            self._wait()
        if self._closing and not self._due:
            self._transport.close()
        elif self._paused and self.held_bytes <= self._window_bytes // 2:
            self._paused = False
            self._protocol.resume_writing()


class Shaper(asyncio.BufferedProtocol):
    """The protocol that the real transport sees; it hands everything to the session behind it."""

    def __init__(self, session: Session, shaping: Shaping, clock: Clock | None = None) -> None:
        self._session = session
        self._shaping = shaping
        self._clock = clock or SteadyClock()
        self._pace = Pace(shaping, shaping.seed)
        self._transport: ShapedTransport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        beneath = cast("asyncio.Transport", transport)
        self._transport = ShapedTransport(beneath, self._session, self._current_pace, self._clock)
        self._session.connection_made(self._transport)

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._session.get_buffer(sizehint)

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._session.buffer_updated(nbytes)

    @override
    def pause_writing(self) -> None:
        self._transport.block()

    @override
    def resume_writing(self) -> None:
        self._transport.unblock()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.forget()
        self._session.connection_lost(exc)

    def _current_pace(self) -> Pace:
        """Return the pace of this link; until the other side has said who it is, that of links to anybody."""
        if self._session.remote is not None:
            self._pace.shape = self._shaping.towards(self._session.remote.name)
        return self._pace


def shaped(session: Session, shaping: Shaping) -> asyncio.BufferedProtocol:
    """Return the protocol to connect: the session itself where nothing is shaped."""
    return Shaper(session, shaping) if shaping.is_on else session
