"""What the two sides of a session may ask of each other, and what becomes of what is asked beyond that."""

import asyncio

from meshd.errors import ProtocolError
from meshd.net.accounts import MOST_OVERSTEPS
from meshd.net.credit import LEAST_COST_BYTES
from meshd.net.memory import session_pair
from meshd.net.session import Session
from meshd.net.session_limits import SessionLimits
from meshd.wire.messages import (
    Cancel,
    Infer,
    Message,
    Refusal,
    Result,
    TensorHeader,
)
from tests.core.builders import answer_of, hub
from tests.net.nodes import until
from tests.net.test_session import Taken, close, record, said, transport_of


def question(name: str, n_bytes: int) -> tuple[Infer, list[bytes]]:
    header = TensorHeader(name="x", dtype="uint8", shape=(n_bytes,))
    return Infer(request_id=name, model="toy", tensors=(header,), deadline_s=1.0), [bytes(n_bytes)]


async def lent(window_bytes: int) -> tuple[Session, Session, Taken]:
    """Two open sessions of which the second has heard nothing yet but knows what it may ask for."""
    limits = SessionLimits(window_bytes=window_bytes)
    one, two = session_pair(said("one"), said("two"), limits=limits)
    taken, _ = record(two)
    await until(lambda: one.affords(0))
    return one, two, taken


async def test_a_request_waits_for_credit_in_its_turn_and_goes_when_an_earlier_one_has_ended() -> None:
    one, two, taken = await lent(window_bytes=4 * LEAST_COST_BYTES)
    assert one.send(*question("1", 3 * LEAST_COST_BYTES))
    assert not one.affords(2 * LEAST_COST_BYTES)
    assert not one.send(*question("2", 2 * LEAST_COST_BYTES))
    large = asyncio.create_task(one.afforded(2 * LEAST_COST_BYTES))
    small = asyncio.create_task(one.afforded(0))
    await until(lambda: taken)
    assert (large.done(), small.done()) == (False, False), "the small one would fit and does not overtake"
    assert two.send(Refusal(request_id="1", code="overloaded", message="later"))
    await asyncio.gather(large, small)
    assert one.send(*question("2", 2 * LEAST_COST_BYTES))
    await close(one, two)


async def test_what_is_cancelled_costs_nothing_more() -> None:
    one, two, _ = await lent(window_bytes=4 * LEAST_COST_BYTES)
    assert one.send(*question("1", 3 * LEAST_COST_BYTES))
    assert one.send(Cancel(request_id="1"))
    await one.afforded(3 * LEAST_COST_BYTES)
    assert one.send(*question("2", 3 * LEAST_COST_BYTES))
    await close(one, two)


async def test_a_request_that_is_withdrawn_before_it_began_to_be_sent_never_is_and_costs_nothing() -> None:
    one, two, taken = await lent(window_bytes=8_000_000)
    transport_of(two).incoming.hold()
    for name in ("begun", "waits", "stays"):
        assert one.send(*question(name, 2_000_000))
    assert not one.affords(4_000_000)
    for name in ("begun", "waits"):
        assert one.send(Cancel(request_id=name))
    assert one.affords(4_000_000)
    assert one.unread_bytes < 4_000_000
    transport_of(two).incoming.release()
    await until(lambda: len(taken) == 4)
    assert [(type(message), message.request_id) for message, _ in taken if isinstance(message, Infer | Cancel)] == [
        (Infer, "begun"),
        (Infer, "stays"),
        (Cancel, "begun"),
        (Cancel, "waits"),
    ]
    await close(one, two)


async def test_an_answer_that_nobody_waits_for_any_more_leaves_the_queue() -> None:
    one, two, taken = await lent(window_bytes=8_000_000)
    heard, _ = record(one)
    large = TensorHeader(name="y", dtype="uint8", shape=(2_000_000,))
    assert one.send(*question("1", 0))
    assert one.send(*question("2", 0))
    await until(lambda: len(taken) == 2)
    transport_of(one).incoming.hold()
    for name in ("1", "2"):
        two.send(Result(request_id=name, answer=ANSWER, tensors=(large,)), [bytes(2_000_000)])
    assert one.send(Cancel(request_id="2"))
    await until(lambda: len(taken) == 3)
    assert two.unread_bytes < 2_000_000
    transport_of(one).incoming.release()
    await until(lambda: heard)
    assert [message.request_id for message, _ in heard if isinstance(message, Result)] == ["1"]
    await close(one, two)


async def test_who_waits_for_credit_is_let_go_when_the_session_ends() -> None:
    one, two, _ = await lent(window_bytes=4 * LEAST_COST_BYTES)
    assert one.send(*question("1", 3 * LEAST_COST_BYTES))
    waiting = asyncio.create_task(one.afforded(3 * LEAST_COST_BYTES))
    await asyncio.sleep(0)
    transport_of(one).lose()
    await waiting
    assert not one.send(*question("2", 0))
    await close(two)


async def test_who_oversteps_is_refused_and_after_a_few_times_cut_off() -> None:
    one, two, taken = await lent(window_bytes=4 * LEAST_COST_BYTES)
    refused, _ = record(one)
    one._accounts.allowance.grant(2**40)  # A side that helps itself.
    for number in range(4 + MOST_OVERSTEPS):
        assert one.send(*question(str(number), 0))
    await until(lambda: len(refused) == MOST_OVERSTEPS)
    assert [message.request_id for message, _ in taken if isinstance(message, Infer)] == ["0", "1", "2", "3"]
    assert {message.code for message, _ in refused if isinstance(message, Refusal)} == {"overloaded"}
    one.send(*question("too many", 0))
    assert isinstance(await two.closed(), ProtocolError)
    await one.closed()


async def test_what_waits_for_one_that_asks_and_does_not_read_stays_within_its_credit() -> None:
    one, two, taken = await lent(window_bytes=4 * LEAST_COST_BYTES)
    transport_of(one).incoming.hold()
    asked = 0
    for _ in range(5):
        while one.send(*question(str(asked), 0)):
            asked += 1
        await until(lambda: len(taken) == 4)
        for number in range(asked):
            two.send(Refusal(request_id=str(number), code="overloaded", message="x" * 1000))
    assert asked == 4, "the credit that would let it go on waits with the answers that it does not read"
    transport_of(one).incoming.release()
    await one.afforded(0)
    await close(one, two)


ANSWER = answer_of(hub())
WINDOW_BYTES = 32 * LEAST_COST_BYTES
LARGE_BYTES = WINDOW_BYTES // 2


def give(session: Session, request_id: str) -> None:
    header = TensorHeader(name="y", dtype="uint8", shape=(LARGE_BYTES,))
    session.send(Result(request_id=request_id, answer=ANSWER, tensors=(header,)), [bytes(LARGE_BYTES)])


async def test_of_one_that_does_not_read_its_large_answers_no_more_is_taken_up_until_it_does() -> None:
    one, two, taken = await lent(window_bytes=WINDOW_BYTES)
    read = record(one)[0]

    def answer(session: Session, message: Message, payload: memoryview) -> None:
        taken.append((message, bytes(payload)))
        if isinstance(message, Infer):
            give(session, message.request_id)

    two.on_message = answer
    transport_of(one).incoming.hold()
    for number in range(16):
        assert one.send(*question(str(number), 0))
        await asyncio.sleep(0)
    one.send(Cancel(request_id="9"))
    await until(lambda: taken[-1][0] == Cancel(request_id="9"))
    taken.pop()
    assert two.unread_bytes < 2 * WINDOW_BYTES
    assert len(taken) < 8
    transport_of(one).incoming.release()
    await until(lambda: len(read) == 15)
    asked = [str(number) for number in range(16) if number != 9]
    assert [message.request_id for message, _ in taken if isinstance(message, Infer)] == asked
    assert [message.request_id for message, _ in read if isinstance(message, Result)] == asked
    await close(one, two)


async def test_answers_to_what_was_taken_up_before_are_told_and_not_kept_for_one_that_does_not_read() -> None:
    one, two, taken = await lent(window_bytes=WINDOW_BYTES)
    read = record(one)[0]
    for number in range(32):
        assert one.send(*question(str(number), 0))
    await until(lambda: len(taken) == 32)
    transport_of(one).incoming.hold()
    for number in range(32):
        give(two, str(number))
    assert two.unread_bytes < 5 * WINDOW_BYTES
    transport_of(one).incoming.release()
    await until(lambda: len(read) == 32)
    kinds = [type(message) for message, _ in read]
    assert kinds == sorted(kinds, key=[Result, Refusal].index)
    assert {message.code for message, _ in read if isinstance(message, Refusal)} == {"overloaded"}
    await one.afforded(WINDOW_BYTES // 2)
    await close(one, two)
