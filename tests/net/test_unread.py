"""What is not read is bounded over all sessions, and the slowest reader of whoever leaves the most is the one to go."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial
from pathlib import Path

import pytest

from meshd.errors import SlowReader
from meshd.net.local_user import local_user
from meshd.net.memory import session_pair
from meshd.net.session import Session, State
from meshd.net.session_limits import SessionLimits
from meshd.net.unread import Unread
from meshd.wire.messages import Document
from tests.net.nodes import until
from tests.net.test_session import close, record, said, transport_of


class Waiting:
    """A backlog of which a test decides everything."""

    def __init__(self, waiting_bytes: int, *, pace_bps: float, owner: str = "a user") -> None:
        self.waiting_bytes = waiting_bytes
        self.pace_bps = pace_bps
        self.owner = owner
        self.reasons: list[str] = []

    def give_up(self, why: str) -> None:
        self.reasons.append(why)


def test_who_reads_the_slowest_goes_first_and_no_more_than_have_to() -> None:
    unread = Unread(most_bytes=1000)
    slowest, slow, quick = Waiting(300, pace_bps=1.0), Waiting(300, pace_bps=5.0), Waiting(300, pace_bps=9.0)
    for one in (quick, slowest, slow):
        unread.waits(one)
    assert unread.given_up == 0
    quick.waiting_bytes = 500
    unread.waits(quick)
    [why] = slowest.reasons
    told = "1,100 bytes wait for all readers, 1,100 of them for this owner"
    assert why == f"{told}, of whose 3 sessions that wait it reads the slowest."
    assert (slow.reasons, quick.reasons, unread.given_up) == ([], [], 1)


def test_who_leaves_a_little_unread_in_many_sessions_gives_way_and_not_another_on_a_slow_link() -> None:
    unread = Unread(most_bytes=1000)
    unread.waits(slow_link := Waiting(300, pace_bps=1.0, owner="somebody else"))
    many = [Waiting(20, pace_bps=100.0 + number) for number in range(40)]
    for one in many:
        unread.waits(one)
    assert [bool(one.reasons) for one in many] == [True] * 5 + [False] * 35
    assert slow_link.reasons == []


def test_who_was_ended_or_has_read_all_is_owed_nothing() -> None:
    unread = Unread(most_bytes=1000)
    one, other = Waiting(600, pace_bps=1.0), Waiting(300, pace_bps=1.0, owner="another")
    unread.waits(one)
    unread.waits(other)
    one.waiting_bytes = 0
    unread.waits(one)
    other.waiting_bytes = 900
    unread.waits(other)
    unread.waits(third := Waiting(200, pace_bps=9.0, owner="a third"))
    assert (one.reasons, bool(other.reasons), third.reasons) == ([], True, [])


def test_one_alone_is_left_to_the_bounds_of_its_session() -> None:
    unread = Unread(most_bytes=1000)
    unread.waits(alone := Waiting(5000, pace_bps=0.0))
    assert alone.reasons == []


def test_what_was_read_counts_no_longer() -> None:
    unread = Unread(most_bytes=1000)
    one, two = Waiting(900, pace_bps=2.0), Waiting(900, pace_bps=1.0)
    unread.waits(one)
    one.waiting_bytes = 0
    unread.waits(one)
    unread.waits(two)
    assert (one.reasons, two.reasons) == ([], [])


async def test_a_reader_that_stands_still_is_cut_off_for_the_others_with_a_typed_reason() -> None:
    limits = SessionLimits(unread=Unread(most_bytes=500_000))
    one, stuck = session_pair(said("one"), said("stuck"), limits=limits)
    two, reader = session_pair(said("two"), said("reader"), limits=limits)
    taken, _ = record(reader)
    await asyncio.gather(one.opened(), two.opened(), stuck.opened(), reader.opened())
    transport_of(stuck).incoming.hold()
    one.send(Document(request_id="stuck"), [bytes(400_000)])
    for number in range(3):
        two.send(Document(request_id=f"r{number}"), [bytes(400_000)])
        await until(partial(lambda number: len(taken) > number, number))
    assert isinstance(await one.closed(), SlowReader)
    assert (two.state, limits.unread.given_up) == (State.OPEN, 1)
    await stuck.closed()
    await close(two, reader)


async def test_of_two_users_the_one_whose_sessions_leave_the_most_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, pairs = SessionLimits(unread=Unread(most_bytes=1_000_000)), []
    for user in ("slow", "many", "many", "many"):
        monkeypatch.setattr("meshd.net.session.local_user", lambda _transport, user=user: user)
        here, there = session_pair(said("here"), said("there"), limits=limits)
        await asyncio.gather(here.opened(), there.opened())
        transport_of(there).incoming.hold()
        pairs.append((here, there))
    for here, _ in pairs:
        here.send(Document(request_id="unread"), [bytes(400_000)])
    states = [here.state for here, _ in pairs]
    assert states[0] is State.OPEN
    assert sorted(state is State.OPEN for state in states[1:]) == [False, False, True]
    for here, there in pairs:
        transport_of(there).incoming.release()
        here.abort()
        await asyncio.gather(here.closed(), there.closed())


async def test_the_user_of_a_program_is_what_the_system_says(tmp_path: Path) -> None:
    ended = asyncio.get_running_loop().create_future()

    def met(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.set_result(local_user(writer.transport))
        writer.close()

    server = await asyncio.start_unix_server(met, tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as program:
        program.connect(str(tmp_path / "s"))
        assert await ended == f"uid {os.getuid()}"
    server.close()
    await server.wait_closed()


async def test_programs_on_a_loopback_port_are_the_user_s_who_can_read_its_token() -> None:
    session, other = session_pair(said("one"), said("two"))
    await session.opened()
    assert isinstance(session, Session)
    assert session.owner == f"uid {os.getuid()}"
    await close(session, other)
