"""Writes the journal of a scheduler to a file, for replay."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO

from meshd import log
from meshd.core.events import Event
from meshd.core.journal import Entry, Opening, encode
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from meshd.errors import SetupError


class Recorder:
    """Appends every event to a file, until that fails; the node goes on without.

    A start begins a new file; the one before is kept under another ending.
    """

    def __init__(self, path: Path, scheduler: Scheduler, settings: Settings, now: float) -> None:
        self._path = path
        try:
            if path.exists():
                path.replace(path.with_name(f"{path.name}.previous"))
            self._file: IO[bytes] = path.open("wb")
        except OSError as error:
            raise SetupError(f"events cannot be recorded in {path}: {error}.", hint="Change record.events.") from error
        self._file.write(encode(Opening(profile=scheduler.profile, settings=settings, now=now)))

    def __call__(self, now: float, event: Event) -> None:
        """Append one event."""
        if self._file.closed:
            return
        try:
            self._file.write(encode(Entry(now=now, event=event)))
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write what is still in memory."""
        try:
            self._file.close()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Record no more, on a full disk for one: a journal with a gap replays to something else."""
        log.get_logger().error(log.RECORDING_ENDED, path=str(self._path), reason=str(error))
        with suppress(OSError):
            self._file.close()
