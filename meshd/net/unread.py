"""What waits because it is not read: bounded over all sessions together, and the slowest reader is the first to go."""

from __future__ import annotations

from typing import Protocol

from meshd.wire.frame import MAX_PAYLOAD_BYTES


class Backlog(Protocol):
    """What waits for one reader."""

    waiting_bytes: int

    @property
    def age_s(self) -> float:
        """Return for how long something has waited."""

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

    def waits(self, backlog: Backlog) -> None:
        """Take note of how much waits for a reader by now; where all is too much, the slowest one has to go.

        One for whom alone bytes wait is left to the bounds of its session.
        """
        self._forget(backlog)
        if backlog.waiting_bytes:
            self._waiting[backlog] = backlog.waiting_bytes
            self._total_bytes += backlog.waiting_bytes
        while self._total_bytes > self._most_bytes and len(self._waiting) > 1:
            slowest = max(self._waiting, key=lambda waiting: waiting.age_s)
            why = f"it reads the slowest of {len(self._waiting)} for whom {self._total_bytes:,} bytes wait together."
            self._forget(slowest)
            self.given_up += 1
            slowest.give_up(why)

    def _forget(self, backlog: Backlog) -> None:
        self._total_bytes -= self._waiting.pop(backlog, 0)


ALL_UNREAD = Unread()
"""Memory is the process's, whoever the sessions belong to."""
