import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import Event as Gate

import pytest
from typing_extensions import override

from meshd.mqtt.event_queue import MOST_PENDING, EventQueue
from meshd.mqtt.outbox import Event, Outbox


class SlowOutbox(Outbox):
    """An outbox on a disk that commits only while its gate is open, and may be full."""

    def __init__(self, path: Path, *, capacity: int = 10) -> None:
        super().__init__(path, capacity=capacity)
        self.gate = Gate()
        self.gate.set()
        self.full = False
        self.commits: list[int] = []

    @override
    def add(self, events: Sequence[Event]) -> None:
        assert self.gate.wait(10)
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        super().add(events)
        self.commits.append(len(events))


def event(number: int) -> Event:
    return Event(event_id=str(number), kind="anomaly", payload=b"{}")


@pytest.fixture
def outbox(tmp_path: Path) -> SlowOutbox:
    return SlowOutbox(tmp_path / "outbox.db")


async def test_putting_in_does_not_wait_for_the_disk(outbox: SlowOutbox) -> None:
    queue = EventQueue(outbox, committed=lambda: None)
    outbox.gate.clear()
    queue.put(event(1))
    await asyncio.sleep(0)
    assert outbox.commits == []
    outbox.gate.set()
    await queue.settled()
    assert await queue.oldest(9) == [event(1)]
    await queue.aclose()


async def test_events_that_come_during_a_commit_are_committed_together_and_told_once(outbox: SlowOutbox) -> None:
    told: list[int] = []
    queue = EventQueue(outbox, committed=lambda: told.append(outbox.queued))
    outbox.gate.clear()
    for number in range(4):
        queue.put(event(number))
        await asyncio.sleep(0)
    outbox.gate.set()
    await queue.settled()
    assert outbox.commits == [1, 3]
    assert told == [1, 4]
    await queue.aclose()


async def test_events_that_the_disk_refuses_are_kept_and_committed_with_the_next(outbox: SlowOutbox) -> None:
    queue = EventQueue(outbox, committed=lambda: None)
    outbox.full = True
    queue.put(event(1))
    await queue.settled()
    assert queue.last_error == "the outbox cannot be written: database or disk is full"
    assert outbox.commits == []
    outbox.full = False
    queue.put(event(2))
    await queue.settled()
    assert await queue.oldest(9) == [event(1), event(2)]
    assert queue.last_error is None
    await queue.aclose()


async def test_what_a_refusing_disk_costs_in_memory_is_bounded(outbox: SlowOutbox) -> None:
    queue = EventQueue(outbox, committed=lambda: None)
    outbox.full = True
    for number in range(MOST_PENDING + 5):
        queue.put(event(number))
    await queue.settled()
    assert queue.queued == MOST_PENDING
    await queue.aclose()


async def test_closing_commits_what_is_pending(outbox: SlowOutbox, tmp_path: Path) -> None:
    queue = EventQueue(outbox, committed=lambda: None)
    queue.put(event(1))
    await queue.aclose()
    again = Outbox(tmp_path / "outbox.db")
    assert again.oldest(9) == [event(1)]
    again.close()


async def test_closing_tries_once_more_what_the_disk_refused(outbox: SlowOutbox, tmp_path: Path) -> None:
    queue = EventQueue(outbox, committed=lambda: None)
    outbox.full = True
    queue.put(event(1))
    await queue.settled()
    outbox.full = False
    await queue.aclose()
    again = Outbox(tmp_path / "outbox.db")
    assert again.oldest(9) == [event(1)]
    again.close()
