"""What both clients promise, tried on both: the blocking one in a thread, for its daemon lives in this loop."""

import asyncio
import math
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meshd.client import AsyncClient, Client, Result
from meshd.core.request import Privacy
from meshd.errors import (
    Cancelled,
    DaemonUnreachable,
    DeadlineExceeded,
    DuplicateRequest,
    ExecutionFailed,
    InvalidInput,
    MeshError,
    NoCandidate,
    Overloaded,
    ProtocolError,
    RequestError,
    UnknownQuery,
)
from meshd.net.credit import LEAST_COST_BYTES
from meshd.net.session import Session
from meshd.net.session_limits import SessionLimits
from meshd.wire.messages import Cancel, Infer, Message
from tests.client.conftest import ANSWER, INPUTS, FakeDaemon, echo, refuse, silence, until

Ask = Callable[..., Awaitable[Result]]


async def from_asyncio(socket: Path, *arguments: Any, **options: Any) -> Result:
    async with AsyncClient(str(socket)) as client:
        return await client.infer(*arguments, **options)


async def from_plain_code(socket: Path, *arguments: Any, **options: Any) -> Result:
    def ask() -> Result:
        with Client(str(socket)) as client:
            return client.infer(*arguments, **options)

    return await asyncio.to_thread(ask)


@pytest.fixture(params=[from_asyncio, from_plain_code], ids=["async", "blocking"])
def infer(request: pytest.FixtureRequest) -> Any:
    return request.param


async def test_a_result_holds_outputs_and_their_story(daemon: FakeDaemon, infer: Ask) -> None:
    result = await infer(daemon.socket, "toy", INPUTS, deadline_s=2.0, privacy="public", request_id="r1")
    assert result.outputs["ecg"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert (result.request_id, result.answer) == ("r1", ANSWER)
    asked = daemon.asked(Infer)[0]
    assert isinstance(asked, Infer)
    assert (asked.request_id, asked.model, asked.privacy) == ("r1", "toy", Privacy.PUBLIC)
    assert 1.0 < asked.deadline_s <= 2.0  # What connecting took is gone from it.


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"deadline_s": 0.0}, DeadlineExceeded, "the deadline is already past"),
        ({"deadline_s": -1.0}, DeadlineExceeded, "the deadline is already past"),
        ({"deadline_s": math.nan}, InvalidInput, "a deadline of nan s is no time"),
        ({"deadline_s": 1e6}, InvalidInput, "86400 s at most"),
        ({"priority": "soon"}, InvalidInput, "'soon' is no priority; possible are emergency, normal, background"),
        ({"privacy": "mine"}, InvalidInput, "'mine' is no privacy; possible are device, household, public"),
        ({"min_tier": "cloud"}, InvalidInput, "'cloud' is no device class"),
        ({"plan": "p" * 1025}, InvalidInput, "a plan's name has 1024 characters at most, and this one 1025"),
        ({"plan": None}, InvalidInput, "a plan is a place as a string, and this is None"),
        ({"inputs": [np.zeros(3)]}, InvalidInput, "inputs are arrays by their names, and this is a list"),
        ({"request_id": "r" * 65}, InvalidInput, "a request id has 1 to 64 characters, and this one 65"),
        ({"model": ""}, InvalidInput, "a model's name has 1 to 128 characters, and this one 0"),
        ({"inputs": {"ecg": np.array(["a"])}}, InvalidInput, "which cannot be sent"),
        ({"inputs": {"ecg": np.zeros(2**24 + 1, np.float32)}}, InvalidInput, "a message has room for 67,108,864"),
    ],
)
async def test_what_cannot_be_asked_is_refused_before_it_is_sent(
    daemon: FakeDaemon, infer: Ask, options: dict[str, Any], error: type[MeshError], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        await infer(daemon.socket, **{"model": "toy", "inputs": INPUTS} | options)
    assert daemon.received == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("execution_failed", ExecutionFailed),
        ("peer_lost", NoCandidate),  # Of a peer: the daemon that says so is there.
    ],
)
async def test_a_refusal_is_raised_and_not_asked_again(
    daemon: FakeDaemon, infer: Ask, code: str, error: type[MeshError]
) -> None:
    daemon.script = refuse(code, "so it is")
    with pytest.raises(error, match="so it is"):
        await infer(daemon.socket, "toy", INPUTS)
    assert len(daemon.asked(Infer)) == 1


async def test_a_daemon_that_stays_silent_is_given_up_after_the_deadline(daemon: FakeDaemon, infer: Ask) -> None:
    daemon.script = silence
    with pytest.raises(DeadlineExceeded, match=r"gave no answer to r1 within 0\.2 s"):
        await infer(daemon.socket, "toy", INPUTS, deadline_s=0.2, request_id="r1")


async def test_no_daemon_is_an_error_that_says_what_to_do(tmp_path: Path, infer: Ask) -> None:
    with pytest.raises(DaemonUnreachable, match="Start one with `meshd run`"):
        await infer(tmp_path / "nothing.sock", "toy", INPUTS)


async def test_a_lost_connection_is_made_again_and_the_request_asked_again_under_its_id(
    daemon: FakeDaemon, infer: Ask
) -> None:
    def drop_once(fake: FakeDaemon, session: Session, _message: Message, _payload: bytes) -> None:
        fake.script = echo
        session.abort()

    daemon.script = drop_once
    result = await infer(daemon.socket, "toy", INPUTS, request_id="r1")
    assert result.outputs["ecg"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert [message.request_id for message in daemon.received if isinstance(message, Infer)] == ["r1", "r1"]


async def test_a_daemon_that_restarts_is_found_again(daemon: FakeDaemon, infer: Ask) -> None:
    daemon.script = silence
    asked = asyncio.ensure_future(infer(daemon.socket, "toy", INPUTS))
    await until(lambda: daemon.received)
    await daemon.stop()
    daemon.script = echo
    await daemon.start()
    assert (await asked).outputs["ecg"].tolist() == [0.0, 1.0, 2.0, 3.0]


async def test_a_daemon_that_speaks_another_language_is_not_asked_again(daemon: FakeDaemon, infer: Ask) -> None:
    def babble(_fake: FakeDaemon, session: Session, _message: Message, _payload: bytes) -> None:
        session._transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    daemon.script = babble
    with pytest.raises(ProtocolError, match="this is no meshd peer"):
        await infer(daemon.socket, "toy", INPUTS)
    assert len(daemon.asked(Infer)) == 1


async def test_many_are_answered_in_their_order_and_a_bad_one_costs_no_other(daemon: FakeDaemon) -> None:
    items = [{"ecg": np.full(1, number, np.float32)} for number in range(40)]
    items[7] = {"ecg": np.array([object()])}

    def ask() -> list[Any]:
        with Client(str(daemon.socket)) as client:
            return list(client.infer_many("toy", items, in_flight=8))

    async with AsyncClient(str(daemon.socket)) as client:
        for results in ([result async for result in client.infer_many("toy", items)], await asyncio.to_thread(ask)):
            assert isinstance(results.pop(7), InvalidInput)
            wanted = [number for number in range(40) if number != 7]
            assert [int(r.outputs["ecg"][0]) for r in results if isinstance(r, Result)] == wanted


async def test_many_are_run_at_the_one_place_that_is_named(daemon: FakeDaemon) -> None:
    def ask() -> list[Any]:
        with Client(str(daemon.socket)) as client:
            return list(client.infer_many("toy", [INPUTS, INPUTS], plan="kitchen"))

    async with AsyncClient(str(daemon.socket)) as client:
        assert len([result async for result in client.infer_many("toy", [INPUTS, INPUTS], plan="kitchen")]) == 2
    assert len(await asyncio.to_thread(ask)) == 2
    assert [message.plan for message in daemon.asked(Infer) if isinstance(message, Infer)] == ["kitchen"] * 4


async def test_questions_are_answered_or_refused(daemon: FakeDaemon) -> None:
    async with AsyncClient(str(daemon.socket)) as client:
        assert (await client.peers()).peers == ()
        daemon.script = refuse("unknown_query", "there is no such request")
        with pytest.raises(UnknownQuery):
            await client.explain("r9")


async def test_a_call_that_is_given_up_is_withdrawn(daemon: FakeDaemon) -> None:
    daemon.script = silence
    async with AsyncClient(str(daemon.socket)) as client:
        asked = asyncio.create_task(client.infer("toy", INPUTS, request_id="r1"))
        await until(lambda: daemon.asked(Infer))
        asked.cancel()
        await until(lambda: daemon.asked(Cancel))
    assert daemon.asked(Cancel) == [Cancel(request_id="r1")]


async def test_one_client_waits_for_one_answer_under_one_id(daemon: FakeDaemon) -> None:
    daemon.script = silence
    async with AsyncClient(str(daemon.socket)) as client:
        first = asyncio.create_task(client.infer("toy", INPUTS, request_id="r1"))
        await until(lambda: daemon.received)
        with pytest.raises(DuplicateRequest, match="this client waits for 'r1' already"):
            await client.infer("toy", INPUTS, request_id="r1")
        echo(daemon, daemon.sessions[0], daemon.received[0], INPUTS["ecg"].tobytes())
        assert (await first).request_id == "r1"


async def test_a_closed_client_stays_closed(daemon: FakeDaemon) -> None:
    daemon.script = silence
    client = AsyncClient(str(daemon.socket))
    asked = asyncio.create_task(client.infer("toy", INPUTS))
    await until(lambda: daemon.received)
    await client.close()
    with pytest.raises(Cancelled, match="this client was closed"):
        await asked
    with pytest.raises(Cancelled):
        await client.status()
    assert len(daemon.asked(Infer)) == 1


async def test_an_answer_to_nobody_is_ignored(daemon: FakeDaemon, infer: Ask) -> None:
    def twice(fake: FakeDaemon, session: Session, message: Message, payload: bytes) -> None:
        if isinstance(message, Infer):
            stray = Infer(request_id="stray", model="toy", tensors=message.tensors, deadline_s=1.0)
            echo(fake, session, stray, payload)
            echo(fake, session, message, payload)
            echo(fake, session, message, payload)

    daemon.script = twice
    assert (await infer(daemon.socket, "toy", INPUTS, request_id="r1")).request_id == "r1"


async def test_more_than_the_connection_takes_at_once_is_sent_one_after_the_other(daemon: FakeDaemon) -> None:
    daemon.script = refuse("overloaded", "enough")
    inputs = {"picture": np.zeros(12 * 2**20, np.uint8)}
    async with AsyncClient(str(daemon.socket)) as client:
        outcomes = [outcome async for outcome in client.infer_many("toy", [inputs] * 16, deadline_s=60.0)]
    assert [type(outcome) for outcome in outcomes] == [Overloaded] * 16
    assert len(daemon.asked(Infer)) == 16


async def test_a_connection_given_up_before_it_was_greeted_is_closed(daemon: FakeDaemon) -> None:
    ended = asyncio.Event()

    async def never_greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.set()
        writer.close()

    path = daemon.socket.with_name("mute.sock")
    server = await asyncio.start_unix_server(never_greets, path)
    with pytest.raises(DaemonUnreachable):
        await AsyncClient(str(path), connect_timeout_s=0.05).infer("toy", INPUTS)
    async with asyncio.timeout(SessionLimits().hello_s / 2):
        await ended.wait()
    server.close()
    await server.wait_closed()


async def with_little_credit(daemon: FakeDaemon, window_bytes: int) -> None:
    await daemon.stop()
    daemon.limits = SessionLimits(window_bytes=window_bytes)
    await daemon.start()


async def test_many_wait_for_credit_and_all_are_answered(daemon: FakeDaemon) -> None:
    await with_little_credit(daemon, 4 * LEAST_COST_BYTES)

    def ask() -> list[Result | RequestError]:
        with Client(str(daemon.socket)) as client:
            return [*client.infer_many("toy", [INPUTS] * 32, in_flight=16)]

    async with AsyncClient(str(daemon.socket)) as client:
        answers = [*await asyncio.to_thread(ask), *[one async for one in client.infer_many("toy", [INPUTS] * 32)]]
    assert [type(answer) for answer in answers] == [Result] * 64


async def test_a_deadline_runs_while_a_request_waits_for_credit(daemon: FakeDaemon) -> None:
    await with_little_credit(daemon, 4 * LEAST_COST_BYTES)
    daemon.script = silence
    async with AsyncClient(str(daemon.socket)) as client:
        asked = [asyncio.create_task(client.infer("toy", INPUTS, deadline_s=60.0)) for _ in range(5)]
        await until(lambda: len(daemon.asked(Infer)) == 4)
        await asyncio.sleep(0.01)
        asked[0].cancel()
        await until(lambda: len(daemon.asked(Infer)) == 5)
        deadlines = [message.deadline_s for message in daemon.asked(Infer) if isinstance(message, Infer)]
        for task in asked:
            task.cancel()
    assert deadlines[:4] == [60.0] * 4
    assert deadlines[4] < 60.0


async def test_ctrl_c_withdraws_what_a_blocking_client_waits_for(daemon: FakeDaemon) -> None:
    daemon.script = silence
    program = "import sys, numpy, meshd.client as c; c.Client(sys.argv[1]).infer('toy', {'ecg': numpy.zeros(4)})"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(daemon.socket), stderr=asyncio.subprocess.PIPE
    )
    await until(lambda: daemon.asked(Infer))
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    assert b"KeyboardInterrupt" in said
    await until(lambda: daemon.asked(Cancel))
    infer, cancel = daemon.received
    assert isinstance(infer, Infer)
    assert cancel == Cancel(request_id=infer.request_id)
