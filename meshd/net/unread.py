"""What waits because it is not read: bounded over all sessions together.

Whoever leaves the most unread gives way first, with the session that reads the slowest: who opens many sessions and
leaves a little unread in each takes nobody else's room, and a slow link over which an answer goes on is not taken for
one that stands still.
"""

from __future__ import annotations

from typing import Protocol

from meshd.wire.frame import MAX_PAYLOAD_BYTES


class Backlog(Protocol):
    """What waits for one reader."""

    owner: str
    """Who answers for the reader; all sessions of one are its together."""
    waiting_bytes: int
    """All that is not read."""

    @property
    def pace_bps(self) -> float:
        """Return how fast it is read, while something waits."""

    def give_up(self, why: str) -> None:
        """End the session, and with it this."""


class Unread:
    """All backlogs of this process."""

    def __init__(self, most_bytes: int = 2 * MAX_PAYLOAD_BYTES) -> None:
        self.given_up = 0
        """Sessions that were ended for it."""
        self._most_bytes = most_bytes
        self._total_bytes = 0
        self._waiting: dict[Backlog, int] = {}
        self._owed_bytes: dict[str, int] = {}
        """By owner."""

    def waits(self, backlog: Backlog) -> None:
        """Take note of how much waits for a reader by now; where all is too much, one has to go.

        One for whom alone bytes wait is left to the bounds of its session.
        """
        self._forget(backlog)
        if backlog.waiting_bytes:
            self._waiting[backlog] = backlog.waiting_bytes
            self._count(backlog.owner, backlog.waiting_bytes)
        while self._total_bytes > self._most_bytes and len(self._waiting) > 1:
            self._end_slowest()

    def _end_slowest(self) -> None:
        owner = max(self._owed_bytes, key=self._owed_bytes.__getitem__)
        theirs = [backlog for backlog in self._waiting if backlog.owner == owner]
        slowest = min(theirs, key=lambda backlog: backlog.pace_bps)
        told = f"{self._total_bytes:,} bytes wait for all readers, {self._owed_bytes[owner]:,} of them for this owner"
        self._forget(slowest)
        self.given_up += 1
        slowest.give_up(f"{told}, of whose {len(theirs)} sessions that wait it reads the slowest.")

    def _forget(self, backlog: Backlog) -> None:
        if n_bytes := self._waiting.pop(backlog, 0):
            self._count(backlog.owner, -n_bytes)

    def _count(self, owner: str, n_bytes: int) -> None:
        self._total_bytes += n_bytes
        owed_bytes = self._owed_bytes.pop(owner, 0) + n_bytes
        if owed_bytes:
            self._owed_bytes[owner] = owed_bytes


ALL_UNREAD = Unread()
"""Memory is the process's, whoever the sessions belong to."""
