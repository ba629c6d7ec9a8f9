"""The room for tensors is shared so that whoever holds nothing yet finds some."""

from __future__ import annotations

import pytest

from meshd.daemon.ledger import MOST_LIVE_BYTES, Asker, Entry, Ledger
from meshd.errors import Overloaded
from tests.core.builders import request

MIB = 2**20


def asker(owner: str, session: int) -> Asker:
    return Asker((owner, session), lambda _message, _parts: None, owner)


def fill(ledger: Ledger, owner: str, *, sessions: int = 64, each_bytes: int = 4 * MIB) -> int:
    """Have an owner ask until it is refused, each time from another session; return the bytes it holds then."""
    for session in range(sessions):
        one = asker(owner, session)
        try:
            ledger.check_room(one, each_bytes)
        except Overloaded:
            return session * each_bytes
        ledger.open(Entry(request(f"{owner} {session}"), {}, (), memoryview(b""), {}, [one]), each_bytes)
    raise AssertionError("all of it was let in")


def test_each_owner_may_hold_as_much_as_it_leaves_free() -> None:
    ledger = Ledger()
    held = [fill(ledger, owner) for owner in ("one", "another", "a third", "a fourth")]
    assert held == [128 * MIB, 64 * MIB, 32 * MIB, 16 * MIB]
    ledger.check_room(asker("who holds nothing", 0), 16 * MIB)


def test_the_largest_request_of_who_holds_nothing_finds_room_beside_two_that_are_full() -> None:
    ledger = Ledger()
    for owner in ("one", "another"):
        fill(ledger, owner)
    ledger.check_room(asker("a third", 0), MOST_LIVE_BYTES // 4)
    with pytest.raises(Overloaded, match="the requests of all programs of this user hold 67 MB"):
        ledger.check_room(asker("another", 99), 4 * MIB)


def test_room_is_given_back_as_requests_end() -> None:
    ledger = Ledger()
    fill(ledger, "one")
    for entry in [ledger.get(f"one {session}") for session in range(32)]:
        assert entry is not None
        ledger.close(entry.request.request_id)
    assert ledger.live_bytes == 0
    assert fill(ledger, "another") == 128 * MIB
