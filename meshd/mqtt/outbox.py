"""Events that must not be lost, on disk until a broker has taken them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

CAPACITY = 10_000
"""About 5 MB: a year of one anomaly an hour."""


class Event(Struct, frozen=True, kw_only=True):
    """Something that others must learn at least once; they drop repetitions by its id."""

    event_id: str
    kind: str
    """Last part of its topic."""
    payload: bytes


class Outbox:
    """A queue of events in an SQLite file. All methods block; one thread at a time may use it.

    When :meth:`add` returns, the events survive the process and, the disk willing, a power cut.
    """

    def __init__(self, path: Path, *, capacity: int = CAPACITY) -> None:
        """Open the file, making it when it is not there; one that is no database is put aside.

        Raises:
            OSError: the folder cannot be written.
            sqlite3.Error: SQLite cannot use the file for another reason.
        """
        self._capacity = capacity
        self.put_aside: Path | None = None
        """Where a damaged file went that was found at the start."""
        self._db = self._open(path)
        self.queued = self._number("SELECT count(*) FROM event")
        self.dropped = self._number("SELECT dropped FROM tally")

    def add(self, events: Sequence[Event]) -> None:
        """Commit events in one go; one whose id is here already is left out. The oldest go when there is no room.

        Raises:
            sqlite3.Error: nothing was committed: the disk is full or broken.
        """
        with self._db:
            self._db.executemany(
                "INSERT OR IGNORE INTO event (id, kind, payload) VALUES (?, ?, ?)",
                [(event.event_id, event.kind, event.payload) for event in events],
            )
            queued = self._number("SELECT count(*) FROM event")
            excess = max(0, queued - self._capacity)
            if excess:
                self._db.execute(_DROP_OLDEST, (excess,))
                self._db.execute("UPDATE tally SET dropped = dropped + ?", (excess,))
        self.queued = queued - excess
        self.dropped += excess

    def oldest(self, limit: int) -> list[Event]:
        """Return events in the order in which they were added."""
        rows = self._db.execute("SELECT id, kind, payload FROM event ORDER BY sequence LIMIT ?", (limit,))
        return [Event(event_id=row[0], kind=row[1], payload=row[2]) for row in rows]

    def remove(self, event_ids: Sequence[str]) -> None:
        """Forget events that a broker has taken.

        Raises:
            sqlite3.Error: nothing was removed; they will be sent again.
        """
        with self._db:
            self._db.executemany("DELETE FROM event WHERE id = ?", [(event_id,) for event_id in event_ids])
        self.queued = self._number("SELECT count(*) FROM event")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            return _connected(path)
        except sqlite3.DatabaseError as error:
            if isinstance(
                error, sqlite3.OperationalError
            ):  # Locked, unreadable, disk full: the content is not at fault.
                raise
        self.put_aside = path.with_suffix(".damaged")
        path.replace(self.put_aside)
        for leftover in (f"{path}-wal", f"{path}-shm"):
            Path(leftover).unlink(missing_ok=True)
        return _connected(path)

    def _number(self, question: str) -> int:
        return int(self._db.execute(question).fetchone()[0])


_DROP_OLDEST = "DELETE FROM event WHERE sequence IN (SELECT sequence FROM event ORDER BY sequence LIMIT ?)"

_TABLES = """
CREATE TABLE IF NOT EXISTS event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS tally (dropped INTEGER NOT NULL);
INSERT INTO tally SELECT 0 WHERE NOT EXISTS (SELECT * FROM tally);
"""


def _connected(path: Path) -> sqlite3.Connection:
    """Open a database whose commits reach the disk: without FULL, WAL leaves the last ones to the system's cache."""
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_TABLES)
    except sqlite3.Error:
        db.close()
        raise
    return db
