"""Large frames that are not complete: bounded over all sessions, given up when nothing comes, gone with a session."""

import asyncio

from meshd.errors import PeerLost
from meshd.net.arriving import Arriving
from meshd.net.memory import session_pair
from meshd.net.session import Session, State
from meshd.net.session_limits import SessionLimits
from meshd.wire.frame import LARGE_PAYLOAD_BYTES, encode
from meshd.wire.messages import Document, Hello, Message

FRAME = b"".join(encode(Document(request_id="d"), [bytes(LARGE_PAYLOAD_BYTES)]))


async def half_sent(limits: SessionLimits) -> tuple[Session, Session]:
    """Return two sessions of which one has sent half a frame to the other."""
    one, two = session_pair(
        lambda: Hello(role="client", name="one"), lambda: Hello(role="client", name="two"), limits=limits
    )
    await one.opened()
    await two.opened()
    await send_on(one, two, FRAME[: len(FRAME) // 2])
    return one, two


async def send_on(one: Session, two: Session, content: bytes) -> None:
    """Send bytes and wait until they have come, or the session has ended."""
    came = asyncio.Event()
    receive = two.buffer_updated

    def received(nbytes: int) -> None:
        receive(nbytes)
        came.set()

    two.buffer_updated = received  # type: ignore[method-assign]
    one._transport.write(content)
    await came.wait()
    two.buffer_updated = receive  # type: ignore[method-assign]


async def test_where_all_want_too_much_the_one_that_is_silent_for_longest_is_given_up() -> None:
    limits = SessionLimits(arriving=Arriving(2 * LARGE_PAYLOAD_BYTES))
    first, second = await half_sent(limits), await half_sent(limits)
    await send_on(*first, FRAME[len(FRAME) // 2 : -1])
    third = await half_sent(limits)
    assert isinstance(await second[1].closed(), PeerLost)
    assert (first[1].state, third[1].state) == (State.OPEN, State.OPEN)
    taken: list[Message] = []
    first[1].on_message = lambda _session, message, _payload: taken.append(message)
    await send_on(*first, FRAME[-1:])
    assert taken == [Document(request_id="d")]
    for session in (*first, *second, *third):
        session.close()
        await session.closed()


async def test_a_frame_that_is_complete_leaves_its_room_to_others() -> None:
    limits = SessionLimits(arriving=Arriving(LARGE_PAYLOAD_BYTES))
    first = await half_sent(limits)
    await send_on(*first, FRAME[len(FRAME) // 2 :])
    second = await half_sent(limits)
    assert (first[1].state, second[1].state) == (State.OPEN, State.OPEN)
    for session in (*first, *second):
        session.close()
        await session.closed()


async def test_a_frame_of_which_nothing_more_comes_ends_its_session() -> None:
    one, two = await half_sent(SessionLimits(stalled_s=0.01))
    error = await two.closed()
    assert isinstance(error, PeerLost)
    assert "nothing more of its frame has come" in str(error)
    await one.closed()


async def test_what_has_come_of_a_frame_is_not_kept_once_the_session_has_ended() -> None:
    one, two = await half_sent(SessionLimits())
    assert two._reader.unfinished_bytes == LARGE_PAYLOAD_BYTES
    one.abort()
    await two.closed()
    assert (two._reader.unfinished_bytes, two._reader._unfinished) == (0, None)
    assert not two._arrival.began
