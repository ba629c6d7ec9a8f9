"""What waits before a transport: its pace is what was read of it, and messages leave the middle of it cheaply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from typing_extensions import override

from meshd.net import outgoing
from meshd.net.outgoing import PIECE_BYTES, Outgoing
from meshd.net.unread import Unread
from meshd.wire.messages import Infer, Result


class Pipe(asyncio.Transport):
    """Takes as many bytes as a test lets the other side read."""

    def __init__(self) -> None:
        super().__init__()
        self.room_bytes = 0
        self.written = b""
        self.full: Callable[[], None] = lambda: None

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.room_bytes -= len(data)
        if self.room_bytes <= 0:
            self.full()


class Reader:
    """An outgoing queue, and the other side that reads it."""

    def __init__(self, name: str, among: Unread, *, owner: str = "a user") -> None:
        self.pipe = Pipe()
        self.reasons: list[str] = []
        self.queue = Outgoing(
            self.pipe, owner=owner, stalled_s=60.0, on_stalled=lambda: None, on_slowest=self._go, among=among
        )
        self.name = name
        self._is_full = False
        self.pipe.full = self._full
        self._full()

    def is_left(self, n_bytes: int) -> None:
        self.queue.write([bytes(n_bytes)], n_bytes)

    def reads(self, n_bytes: int) -> None:
        self.pipe.room_bytes = n_bytes
        self._is_full = False
        self.queue.resume()

    def _full(self) -> None:
        if not self._is_full:
            self._is_full = True
            self.queue.pause()

    def _go(self, why: str) -> None:
        self.reasons.append(why)
        self.queue.discard()


class Clock:
    """The steady clock, moved by the test."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(outgoing, "monotonic", clock)
    return clock


async def test_the_pace_is_what_was_read_since_something_waits(clock: Clock) -> None:
    reader = Reader("one", Unread())
    clock.now_s = 100.0
    reader.is_left(20 * PIECE_BYTES)
    clock.now_s = 101.0
    assert reader.queue.pace_bps == 8 * PIECE_BYTES
    reader.reads(3 * PIECE_BYTES)
    clock.now_s = 102.0
    assert reader.queue.pace_bps == 8 * 4 * PIECE_BYTES / 2
    reader.reads(100 * PIECE_BYTES)
    reader.reads(0)
    reader.is_left(20 * PIECE_BYTES)
    clock.now_s = 104.0
    assert reader.queue.pace_bps == 8 * 2 * PIECE_BYTES / 2, "what was read of earlier answers is past"
    reader.queue.discard()


async def test_a_slow_link_that_goes_on_reading_outlives_one_that_stands_still(clock: Clock) -> None:
    most_bytes = 100 * PIECE_BYTES
    among = Unread(most_bytes)
    slow, still = Reader("slow", among), Reader("still", among)
    slow.is_left(60 * PIECE_BYTES)
    clock.now_s = 5.0
    still.is_left(10 * PIECE_BYTES)
    for _ in range(5):
        clock.now_s += 1.0
        slow.reads(2 * PIECE_BYTES)
    slow.is_left(45 * PIECE_BYTES)
    assert (slow.reasons, len(still.reasons), among.given_up) == ([], 1, 1)
    slow.queue.discard()


async def test_who_takes_little_in_many_sessions_does_not_push_out_another_owner(clock: Clock) -> None:
    among = Unread(100 * PIECE_BYTES)
    slow = Reader("slow", among, owner="a peer")
    slow.is_left(40 * PIECE_BYTES)
    many = [Reader(str(number), among) for number in range(40)]
    for one in many:
        clock.now_s += 1.0
        one.is_left(2 * PIECE_BYTES)
    assert slow.reasons == []
    assert among.given_up == 10
    for one in (slow, *many):
        one.queue.discard()


async def test_what_is_withdrawn_leaves_the_middle_of_the_queue_and_what_has_begun_goes_out() -> None:
    reader = Reader("one", Unread())
    sizes = {"begun": 2 * PIECE_BYTES, "gone": 5, "stays": 7}
    reader.reads(PIECE_BYTES)
    for name, n_bytes in sizes.items():
        reader.queue.write([name[:1].encode() * n_bytes], n_bytes, name=(Infer, name), payload_bytes=n_bytes - 1)
    withdraw = reader.queue.withdraw
    assert withdraw((Infer, "begun")) == []
    assert withdraw((Result, "gone")) == []
    assert withdraw((Infer, "gone")) == [4]
    assert withdraw((Infer, "gone")) == []
    assert reader.queue.waiting_bytes == PIECE_BYTES + 7
    reader.reads(10 * PIECE_BYTES)
    assert reader.pipe.written == b"b" * 2 * PIECE_BYTES + b"s" * 7
    assert reader.queue.waiting_bytes == 0
    reader.queue.discard()


async def test_two_messages_of_one_name_are_withdrawn_together_unless_one_has_begun() -> None:
    reader = Reader("one", Unread())
    for size in (PIECE_BYTES + 1, 3, 4):
        reader.queue.write([bytes(size)], size, name=(Result, "same"), payload_bytes=size)
    reader.reads(1)
    assert reader.queue.withdraw((Result, "same")) == [3, 4]
    assert reader.queue.waiting_bytes == 1
    reader.queue.discard()
