"""The outbox as seen from the event loop: putting something in never waits, for a commit takes a disk's time."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from meshd import log
from meshd.mqtt.outbox import Event, Outbox

T = TypeVar("T")

MOST_PENDING = 1_000
"""Events kept in memory while the disk refuses them."""


class EventQueue:
    """Commits events in one background thread, all that have come since the last commit in one go."""

    def __init__(self, outbox: Outbox, *, committed: Callable[[], None]) -> None:
        """Take over an outbox; ``committed`` is called in the loop after each commit."""
        self._outbox = outbox
        self._committed = committed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._pending: list[Event] = []
        self._writing: asyncio.Task[None] | None = None
        self._log = log.get_logger()
        self.last_error: str | None = None
        """Why the latest commit failed; its events are kept in memory and committed with the next."""

    @property
    def queued(self) -> int:
        """Return how many events no broker has taken yet."""
        return self._outbox.queued + len(self._pending)

    @property
    def dropped(self) -> int:
        """Return how many events had to go because the outbox was full, since it was made."""
        return self._outbox.dropped

    def put(self, event: Event) -> None:
        """Take an event in; it is durable once :meth:`settled` returns."""
        self._pending.append(event)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="mqtt-outbox")

    async def settled(self) -> None:
        """Wait until everything put in before is on disk, or has failed to get there."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def oldest(self, limit: int) -> list[Event]:
        """Return the events that have waited longest, in order."""
        return await self._in_thread(lambda: self._outbox.oldest(limit))

    async def remove(self, events: Sequence[Event]) -> None:
        """Forget events that the broker has taken."""
        await self._in_thread(lambda: self._outbox.remove([event.event_id for event in events]))

    async def aclose(self) -> None:
        """Commit what is pending, also what could not be committed before, and close the file."""
        await self.settled()
        await self._write()
        await self._in_thread(self._outbox.close)
        self._thread.shutdown()

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            dropped = self._outbox.dropped
            try:
                await self._in_thread(lambda batch=batch: self._outbox.add(batch))  # type: ignore[misc]
            except sqlite3.Error as error:
                self._keep_for_later(batch, error)
                return
            self.last_error = None
            if self._outbox.dropped > dropped:
                self._log.warning(log.MESSAGE_DROPPED, reason="outbox full", total=self._outbox.dropped)
            self._committed()

    def _keep_for_later(self, batch: list[Event], error: sqlite3.Error) -> None:
        self._pending = [*batch, *self._pending][-MOST_PENDING:]
        self.last_error = f"the outbox cannot be written: {error}"
        self._log.error(log.OUTBOX_FAILED, reason=str(error), pending=len(self._pending))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
