"""Shaped links: the arithmetic of a slow line, in order, bounded, and nothing at all where nothing is shaped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from meshd.config.config import LinkShape, Shaping
from meshd.errors import PeerLost
from meshd.net.session import Session
from meshd.net.shaping import Pace, ShapedTransport, Shaper, shaped
from meshd.wire.frame import encode
from meshd.wire.messages import Document, Hello
from tests.net.clock import Clock
from tests.net.nodes import Node, pair, until

RATE_BPS = 8_000.0
"""A byte takes a millisecond."""


class Line(asyncio.Transport):
    """The real transport, which takes everything at once and notes when."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.taken: list[tuple[float, bytes]] = []
        self.ended = ""
        self._clock = clock

    @override
    def write(self, data: Any) -> None:
        self.taken.append((round(self._clock.time(), 9), bytes(data)))

    @override
    def close(self) -> None:
        self.ended = "closed"

    @override
    def abort(self) -> None:
        self.ended = "aborted"


class Writer(asyncio.Protocol):
    """Notes whether it may write."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @override
    def pause_writing(self) -> None:
        self.told.append("pause")

    @override
    def resume_writing(self) -> None:
        self.told.append("resume")


class Made:
    """A shaped transport with everything around it."""

    def __init__(self, shape: LinkShape) -> None:
        self.clock = Clock()
        self.line = Line(self.clock)
        self.writer = Writer()
        pace = Pace(shape, seed=0)
        self.transport = ShapedTransport(self.line, self.writer, lambda: pace, self.clock)


@pytest.mark.parametrize(
    ("shape", "arrivals"),
    [
        (LinkShape(delay_s=0.5), [0.5, 0.5, 1.5]),
        (LinkShape(rate_bps=RATE_BPS), [0.1, 0.3, 1.1]),
        (LinkShape(rate_bps=RATE_BPS, delay_s=0.5), [0.6, 0.8, 1.6]),
    ],
)
async def test_a_piece_arrives_after_what_is_before_it_and_its_own_length_and_the_delay(
    shape: LinkShape, arrivals: list[float]
) -> None:
    made = Made(shape)
    made.transport.write(b"a" * 100)
    made.transport.write(b"b" * 200)
    made.clock.turn_to(1.0)
    made.transport.write(b"c" * 100)
    made.clock.turn_to(9.0)
    assert made.line.taken == list(zip(arrivals, (b"a" * 100, b"b" * 200, b"c" * 100), strict=True))


def test_jitter_lies_within_its_bound_keeps_the_order_and_comes_again_with_the_same_seed() -> None:
    shape = LinkShape(delay_s=0.1, jitter_s=0.05)
    paces = Pace(shape, seed=7), Pace(shape, seed=7), Pace(shape, seed=8)
    times = [[pace.arrival_s(1, n / 10) for n in range(50)] for pace in paces]
    late = [arrival - n / 10 for n, arrival in enumerate(times[0])]
    assert times[0] == times[1] != times[2]
    assert times[0] == sorted(times[0])
    assert 0.1 <= min(late) < 0.11
    assert 0.14 < max(late) <= 0.15


async def test_a_writer_is_paused_while_more_waits_than_the_link_holds() -> None:
    made = Made(LinkShape(rate_bps=RATE_BPS, delay_s=0.5))  # Holds 500 bytes when busy.
    made.transport.set_write_buffer_limits(high=1_000)
    for _ in range(15):
        made.transport.write(b"x" * 100)
    assert made.writer.told == []
    made.transport.write(b"x")
    assert made.writer.told == ["pause"]
    made.clock.turn_to(1.2)  # 700 bytes have arrived.
    assert (made.writer.told, made.transport.held_bytes) == (["pause"], 801)
    made.clock.turn_to(1.3)
    assert (made.writer.told, made.transport.held_bytes) == (["pause", "resume"], 701)


async def test_what_was_written_before_the_end_arrives_and_an_abort_drops_it() -> None:
    closed, aborted = Made(LinkShape(delay_s=0.5)), Made(LinkShape(delay_s=0.5))
    for made in (closed, aborted):
        made.transport.write(b"last words")
    closed.transport.close()
    closed.transport.write(b"too late")
    aborted.transport.abort()
    assert (closed.line.ended, aborted.line.ended) == ("", "aborted")
    for made in (closed, aborted):
        made.clock.turn_to(1.0)
    assert (closed.line.taken, closed.line.ended) == ([(0.5, b"last words")], "closed")
    assert aborted.line.taken == []


async def test_a_real_network_that_is_slower_than_the_shape_holds_everything_back() -> None:
    made = Made(LinkShape(delay_s=0.5))
    made.transport.block()
    made.transport.write(b"early")
    made.clock.turn_to(2.0)
    assert made.line.taken == []
    made.transport.unblock()
    assert made.line.taken == [(2.0, b"early")]


async def test_a_link_is_shaped_by_the_name_that_the_other_side_said() -> None:
    shaping = Shaping(delay_s=0.5, peers={"kitchen": LinkShape(delay_s=0.125)})
    clock = Clock()
    line = Line(clock)
    session = Session(lambda: Hello(role="peer", name="watch"), dialled=True)
    shaper = Shaper(session, shaping, clock)
    shaper.connection_made(line)
    session.greet()
    clock.turn_to(1.0)
    greeting = b"".join(encode(Hello(role="peer", name="kitchen")))
    shaper.get_buffer(len(greeting))[: len(greeting)] = greeting
    shaper.buffer_updated(len(greeting))
    session.send(Document(request_id="one"))
    clock.turn_to(2.0)
    assert sorted({when for when, _ in line.taken}) == [0.5, 1.125]
    session.abort(PeerLost("enough."))
    shaper.connection_lost(None)
    await session.closed()


async def test_nothing_stands_in_the_way_where_nothing_is_shaped() -> None:
    session = Session(lambda: Hello(role="peer", name="watch"), dialled=True)
    assert shaped(session, Shaping(seed=3)) is session


async def test_messages_of_any_size_pass_a_shaped_link_whole_in_order_and_late(tmp_path: Path) -> None:
    shaping = Shaping(delay_s=0.01, rate_bps=50e6)
    watch, hub = (Node(tmp_path / name, name, shaping=shaping) for name in ("watch", "hub"))
    pair(watch, hub)
    for node in (watch, hub):
        await node.start()
    watch.peering.add_static(hub.id, hub.address)
    await until(lambda: watch.events.connected and hub.events.connected)
    payloads = [b"a", b"b" * 300_000, b"c"]
    sent_s = asyncio.get_running_loop().time()
    for number, payload in enumerate(payloads):
        assert watch.peering.send(hub.id, Document(request_id=str(number)), [payload])
    await until(lambda: len(hub.events.messages) == len(payloads))
    assert [payload for _, _, payload in hub.events.messages] == payloads
    assert asyncio.get_running_loop().time() - sent_s > 0.01 + 8 * 300_000 / 50e6
    for node in (watch, hub):
        await node.stop()
