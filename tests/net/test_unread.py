"""What is not read is bounded over all sessions, and whoever reads the slowest is the one to go."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial
from pathlib import Path

from meshd.errors import SlowReader
from meshd.net.local_user import local_user
from meshd.net.memory import session_pair
from meshd.net.session import Session, SessionLimits, State
from meshd.net.unread import Unread
from meshd.wire.messages import Document
from tests.net.nodes import until
from tests.net.test_session import close, record, said, transport_of


class Waiting:
    """A backlog of which a test decides everything."""

    def __init__(self, waiting_bytes: int, age_s: float) -> None:
        self.waiting_bytes = waiting_bytes
        self.age_s = age_s
        self.reasons: list[str] = []

    def give_up(self, why: str) -> None:
        self.reasons.append(why)


def test_whose_bytes_have_waited_for_longest_goes_first_and_no_more_than_have_to() -> None:
    unread = Unread(most_bytes=1000)
    oldest, older, young = Waiting(300, 9.0), Waiting(300, 5.0), Waiting(300, 1.0)
    for one in (young, oldest, older):
        unread.waits(one)
    assert unread.given_up == 0
    young.waiting_bytes = 500
    unread.waits(young)
    assert oldest.reasons == ["it reads the slowest of 3 for whom 1,100 bytes wait together."]
    assert (older.reasons, young.reasons, unread.given_up) == ([], [], 1)


def test_one_alone_is_left_to_the_bounds_of_its_session() -> None:
    unread = Unread(most_bytes=1000)
    unread.waits(alone := Waiting(5000, 60.0))
    assert alone.reasons == []


def test_what_was_read_counts_no_longer() -> None:
    unread = Unread(most_bytes=1000)
    one, two = Waiting(900, 2.0), Waiting(900, 1.0)
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


async def test_programs_on_a_loopback_port_are_one_user() -> None:
    session, other = session_pair(said("one"), said("two"))
    await session.opened()
    assert isinstance(session, Session)
    assert session.owner == "local"
    await close(session, other)
