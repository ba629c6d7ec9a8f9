"""A scheduler's life as lines of JSON: enough to run it again and get the same commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, json

from meshd.core.commands import Command
from meshd.core.events import Event
from meshd.core.node import NodeProfile
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings


class Opening(Struct, frozen=True, kw_only=True):
    """First line of a journal: what the scheduler was made from."""

    profile: NodeProfile
    settings: Settings
    now: float


class Entry(Struct, frozen=True, kw_only=True):
    """Every other line: one call of ``Scheduler.handle``."""

    now: float
    event: Event


_openings = json.Decoder(Opening)
_entries = json.Decoder(Entry)


def encode(line: Opening | Entry) -> bytes:
    """Return one line, with its newline."""
    return json.encode(line) + b"\n"


def replay(lines: Iterable[bytes]) -> Iterator[tuple[Entry, list[Command]]]:
    """Run a journal again and yield each entry with the commands it leads to.

    Raises msgspec.ValidationError or msgspec.DecodeError on a line that is not of a journal.
    """
    remaining = iter(lines)
    opening = _openings.decode(next(remaining))
    scheduler = Scheduler(opening.profile, opening.settings, opening.now)
    for line in remaining:
        entry = _entries.decode(line)
        yield entry, scheduler.handle(entry.event, entry.now)
