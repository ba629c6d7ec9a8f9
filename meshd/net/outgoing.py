"""What waits for the other side to read, in order and uncopied."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from time import monotonic

from typing_extensions import Buffer

from meshd.net.unread import ALL_UNREAD, Unread
from meshd.wire.messages import Infer, Result

# Up to here the parts of a frame are joined and written at once: copying 64 KiB takes 4 us, a second system call
# or TLS record as long. Beyond, pieces of this size are written as the other side reads, so that what TLS has
# encrypted but not sent stays small; and 64 KiB pass even a link of 50 kbit/s within SessionLimits.stalled_s.
PIECE_BYTES = 64 * 2**10

Name = tuple[type[Infer] | type[Result], str]
"""Of a message that waits: its kind, and the id of its request."""


class _Frame:
    """What is left to write of one message."""

    __slots__ = ("n_bytes", "name", "payload_bytes", "pieces")

    def __init__(self, buffers: Sequence[Buffer], name: Name | None, n_bytes: int, payload_bytes: int) -> None:
        views = [memoryview(buffer) for buffer in buffers]
        self.pieces = deque(view[i : i + PIECE_BYTES] for view in views for i in range(0, len(view), PIECE_BYTES))
        self.name = name
        """None once it has begun."""
        self.n_bytes = n_bytes
        self.payload_bytes = payload_bytes


class Outgoing:
    """A queue before a transport. ``on_stalled`` is called once the other side has read nothing for a while.

    ``on_slowest`` is called with the reason where all that waits ``among`` many is too much and this one has to go.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        owner: str,
        stalled_s: float,
        on_stalled: Callable[[], None],
        on_slowest: Callable[[str], None],
        among: Unread = ALL_UNREAD,
    ) -> None:
        self.owner = owner
        self.waiting_bytes = 0
        """What was written and the transport has not taken."""
        self.give_up = on_slowest
        """End the session, for the reason that is given."""
        self._among = among
        self._dated_bytes = 0
        """What is left of all that waited at the date: until it is taken, something has waited since then."""
        self._dated_s = 0.0
        self._read_bytes = 0
        """What was taken since the date."""
        self._transport = transport
        self._stalled_s = stalled_s
        self._on_stalled = on_stalled
        self._frames: OrderedDict[_Frame, None] = OrderedDict()
        self._named: dict[Name, list[_Frame]] = {}
        """Those of which nothing has been written."""
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._on_drained: Callable[[], None] | None = None
        transport.set_write_buffer_limits(high=PIECE_BYTES)

    @property
    def pace_bps(self) -> float:
        """Return how fast the other side has read since the date; a piece more, as nobody reads by the byte."""
        return 8.0 * (PIECE_BYTES + self._read_bytes) / max(monotonic() - self._dated_s, 1e-6)

    def write(
        self, buffers: Sequence[Buffer], n_bytes: int, *, name: Name | None = None, payload_bytes: int = 0
    ) -> None:
        """Write now what the transport takes, and keep the rest; the buffers must not change any more.

        What has a name may be withdrawn by it.
        """
        if n_bytes <= PIECE_BYTES and not self._frames and not self._paused:
            self._transport.write(b"".join(buffers))
            return
        frame = _Frame(buffers, name, n_bytes, payload_bytes)
        self._frames[frame] = None
        if name is not None:
            self._named.setdefault(name, []).append(frame)
        self.waiting_bytes += n_bytes
        if self.waiting_bytes == n_bytes:
            self._date()
        self._flush()

    def withdraw(self, name: Name) -> list[int]:
        """Forget messages of which nothing has been written; return the bytes of the payload of each."""
        gone = self._named.pop(name, [])
        for frame in gone:
            del self._frames[frame]
            self.waiting_bytes -= frame.n_bytes
        if gone:
            self._dated_bytes = min(self._dated_bytes, self.waiting_bytes)
            self._flush()
        return [frame.payload_bytes for frame in gone]

    def pause(self) -> None:
        """Stop writing: the transport has enough."""
        self._paused = True
        self._timer = asyncio.get_running_loop().call_later(self._stalled_s, self._on_stalled)

    def resume(self) -> None:
        """Go on writing."""
        self._paused = False
        self._stop_timer()
        self._flush()

    def when_drained(self, then: Callable[[], None]) -> None:
        """Call back once nothing waits here any more, perhaps at once."""
        self._on_drained = then
        self._flush()

    def discard(self) -> None:
        """Forget what waits."""
        self._frames.clear()
        self._named.clear()
        self.waiting_bytes = 0
        self._among.waits(self)
        self._stop_timer()

    def _flush(self) -> None:
        before_bytes = self.waiting_bytes
        while self._frames and not self._paused:
            frame = next(iter(self._frames))
            self._begin(frame)
            piece = frame.pieces.popleft()
            if not frame.pieces:
                del self._frames[frame]
            self.waiting_bytes -= len(piece)
            self._transport.write(piece)
        self._dated_bytes -= before_bytes - self.waiting_bytes
        self._read_bytes += before_bytes - self.waiting_bytes
        if self._dated_bytes <= 0:
            self._date()
        self._among.waits(self)
        if self._on_drained is not None and not self._frames:
            self._on_drained()

    def _begin(self, frame: _Frame) -> None:
        """Let nobody withdraw any more what is about to be written."""
        if frame.name is None:
            return
        left = [other for other in self._named.pop(frame.name) if other is not frame]
        if left:
            self._named[frame.name] = left
        frame.name = None

    def _date(self) -> None:
        self._dated_bytes, self._dated_s, self._read_bytes = self.waiting_bytes, monotonic(), 0

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
