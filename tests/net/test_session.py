"""A session: hello first, bounded in what it holds, and an end that is told exactly once."""

import asyncio
import socket
from collections.abc import Callable

import numpy as np
import pytest

from meshd.core.node import Telemetry
from meshd.errors import InvalidInput, LinkError, PeerLeft, PeerLost, ProtocolError, Superseded, UntrustedPeer
from meshd.net.memory import MemoryTransport, session_pair
from meshd.net.session import Session, State
from meshd.net.session_limits import SessionLimits
from meshd.wire.frame import HEADER, MAGIC, encode
from meshd.wire.messages import (
    PROTOCOL_VERSION,
    Cancel,
    Document,
    Heartbeat,
    Hello,
    Message,
)
from tests.net.nodes import until

Taken = list[tuple[Message, bytes]]


def said(name: str) -> Callable[[], Hello]:
    return lambda: Hello(role="client", name=name)


def record(session: Session) -> tuple[Taken, list[LinkError | None]]:
    taken: Taken = []
    ends: list[LinkError | None] = []
    session.on_message = lambda _session, message, payload: taken.append((message, bytes(payload)))
    session.on_closed = lambda _session, error: ends.append(error)
    return taken, ends


def transport_of(session: Session) -> MemoryTransport:
    transport = session._transport
    assert isinstance(transport, MemoryTransport)
    return transport


async def close(*sessions: Session) -> None:
    for session in sessions:
        session.close()
        await session.closed()


async def test_both_sides_know_each_other_and_messages_arrive_in_order() -> None:
    one, two = session_pair(said("one"), said("two"))
    taken, _ = record(two)
    await one.opened()
    await two.opened()
    assert (one.remote, two.remote) == (said("two")(), said("one")())
    for number in range(3):
        assert one.send(Document(request_id=str(number)), [b"x" * number])
    await until(lambda: len(taken) == 3)
    assert taken == [(Document(request_id=str(number)), b"x" * number) for number in range(3)]
    await close(one, two)


async def test_the_end_is_told_once_to_each_side_with_the_reason() -> None:
    one, two = session_pair(said("one"), said("two"))
    ones, twos = record(one)[1], record(two)[1]
    await one.opened()
    one.close("superseded", "it started again", error=Superseded("it started again"))
    assert isinstance(await two.closed(), Superseded)
    await one.closed()
    assert [type(error) for error in ones + twos] == [Superseded, Superseded]
    assert (one.state, two.state) == (State.CLOSED, State.CLOSED)
    assert not one.send(Cancel(request_id="r"))


async def test_leaving_is_no_error_here_and_a_goodbye_there() -> None:
    one, two = session_pair(said("one"), said("two"))
    await one.opened()
    one.close()
    assert await one.closed() is None
    reason = await two.closed()
    assert (type(reason), str(reason)) == (PeerLeft, "memory said goodbye.")


async def test_a_broken_connection_is_a_lost_peer() -> None:
    one, two = session_pair(said("one"), said("two"))
    _, ends = record(one)
    await one.opened()
    transport_of(one).lose()
    assert isinstance(await one.closed(), PeerLost)
    assert len(ends) == 1
    await close(two)


async def test_whoever_says_no_hello_is_cut_off() -> None:
    one = Session(said("one"), dialled=True)
    two = Session(said("two"), dialled=False, limits=SessionLimits(hello_s=0.01))
    MemoryTransport.connect(one, two)
    with pytest.raises(PeerLost, match=r"did not say hello within 0.01 s"):
        await two.opened()
    await one.closed()


async def test_a_refused_hello_is_answered_with_the_reason_and_nothing_else() -> None:
    def refuse(_session: Session, hello: Hello) -> None:
        raise UntrustedPeer(f"{hello.name} has the wrong token")

    one, two = session_pair(said("one"), said("two"), admit=refuse)
    with pytest.raises(UntrustedPeer, match="one has the wrong token"):
        await one.opened()
    assert one.remote is None
    await two.closed()


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no meshd peer"),
        (HEADER.pack(MAGIC, PROTOCOL_VERSION, 7, 3, 0) + b"\x81\xa1x", "metadata of a Cancel"),
        (HEADER.pack(MAGIC, PROTOCOL_VERSION, 7, 14, 0) + b"\x81\xaarequest_id\xa1r", "the first message is a Cancel"),
        (HEADER.pack(MAGIC, PROTOCOL_VERSION, 4, 0, 1), "1 bytes is announced and 0 may come"),
    ],
    ids=["another protocol", "no metadata", "no hello", "a payload before the hello"],
)
async def test_garbage_before_the_hello_ends_the_session(stream: bytes, reason: str) -> None:
    one = Session(said("one"), dialled=True)
    two = Session(said("two"), dialled=False)
    first, _ = MemoryTransport.connect(one, two)
    first.write(stream)
    with pytest.raises(ProtocolError, match=reason):
        await two.opened()
    await one.closed()


async def test_garbage_in_an_open_session_ends_it_and_the_other_side_hears_why() -> None:
    one, two = session_pair(said("one"), said("two"))
    await one.opened()
    transport_of(one).write(b"not a frame at all")
    assert isinstance(await two.closed(), ProtocolError)
    assert isinstance(await one.closed(), ProtocolError)


async def test_a_large_payload_arrives_whole_through_a_paused_writer() -> None:
    one, two = session_pair(said("one"), said("two"))
    taken, _ = record(two)
    await two.opened()
    array = np.random.default_rng(7).integers(0, 256, 3_000_001, np.uint8)
    one.send(Document(request_id="large"), [array.data])
    one.send(Cancel(request_id="after"))
    await until(lambda: len(taken) == 2)
    assert taken == [(Document(request_id="large"), array.tobytes()), (Cancel(request_id="after"), b"")]
    await close(one, two)


async def test_what_waits_is_sent_before_the_goodbye() -> None:
    one, two = session_pair(said("one"), said("two"))
    taken, _ = record(two)
    await two.opened()
    one.send(Document(request_id="large"), [bytes(1_000_000)])
    one.close()
    assert isinstance(await two.closed(), PeerLeft)
    assert [len(payload) for _, payload in taken] == [1_000_000]


async def test_a_peer_that_stops_reading_is_cut_off_when_too_much_waits() -> None:
    limits = SessionLimits(max_outgoing_bytes=1_000_000)
    one, two = session_pair(said("one"), said("two"), limits=limits)
    await one.opened()
    transport_of(two).incoming.hold()
    sent = 0
    while one.send(Document(request_id="r"), [bytes(100_000)]):
        sent += 1
        assert sent < 20, "the bound never held"
    assert sent in range(9, 13)
    error = await one.closed()
    assert "does not read" in str(error)
    await two.closed()


async def test_a_peer_that_reads_nothing_for_too_long_is_cut_off() -> None:
    limits = SessionLimits(stalled_s=0.02)
    one, two = session_pair(said("one"), said("two"), limits=limits)
    await one.opened()
    transport_of(two).incoming.hold()
    one.send(Document(request_id="r"), [bytes(200_000)])
    assert str(await one.closed()) == "memory has read nothing for 0.02 s."
    await two.closed()


async def test_a_slow_reader_that_goes_on_reading_is_not_cut_off() -> None:
    one, two = session_pair(said("one"), said("two"), limits=SessionLimits(stalled_s=10.0))
    taken, _ = record(two)
    await one.opened()
    incoming = transport_of(two).incoming
    incoming.hold()
    one.send(Document(request_id="r"), [bytes(200_000)])
    assert taken == []
    incoming.release()
    await until(lambda: len(taken) == 1)
    await close(one, two)


async def test_a_message_larger_than_a_frame_may_be_is_refused_and_the_session_lives() -> None:
    one, two = session_pair(said("one"), said("two"), limits=SessionLimits(max_payload_bytes=100_000))
    taken, _ = record(two)
    await one.opened()
    with pytest.raises(InvalidInput, match="100,000"):
        one.send(Document(request_id="r"), [bytes(100_001 + 65_535)])
    assert one.send(Document(request_id="r"), [bytes(100_000)])
    await until(lambda: len(taken) == 1)
    await close(one, two)


async def test_an_echoed_heartbeat_measures_the_round_trip() -> None:
    one, two = session_pair(said("one"), said("two"))

    def echo(session: Session, message: Message, _payload: memoryview) -> None:
        assert isinstance(message, Heartbeat)
        session.send(Heartbeat(sequence=message.sequence, telemetry=Telemetry(), echo=True))

    two.on_message = echo
    await one.opened()
    assert one.rtt_s is None
    one.send(Heartbeat(sequence=5, telemetry=Telemetry()))
    await until(lambda: one.rtt_s is not None)
    assert one.rtt_s is not None
    assert one.rtt_s > 0.0
    assert two.rtt_s is None
    await close(one, two)


async def test_opened_and_closed_can_be_awaited_by_many_and_given_up() -> None:
    one, two = session_pair(said("one"), said("two"))
    impatient = asyncio.create_task(one.closed())
    await one.opened()
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    waiting = [asyncio.create_task(one.closed()) for _ in range(2)]
    await close(two)
    assert [type(await task) for task in waiting] == [PeerLeft, PeerLeft]


async def test_a_goodbye_behind_a_full_socket_ends_the_session_once() -> None:
    loop, faults = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _loop, context: faults.append(context))
    here, there = socket.socketpair()
    there.setblocking(False)
    session = Session(said("one"), dialled=False)
    _, ends = record(session)
    await loop.connect_accepted_socket(lambda: session, here)
    await loop.sock_sendall(there, b"".join(encode(said("two")())))
    await session.opened()
    session.send(Document(request_id="large"), [bytes(2_000_000)])
    session.close()
    while await loop.sock_recv(there, 2**20):
        pass
    await session.closed()
    there.close()
    await asyncio.sleep(0)
    assert (ends, faults) == ([None], [])
