"""Re-reads artifacts where they lie, so slowly and so modestly that nothing else on the device notices."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import thread_time

import psutil
from msgspec import Struct

from meshd.core.ids import ArtifactHash
from model_registry.errors import ArtifactCorrupt
from model_registry.pieces import mendable
from model_registry.store import ModelStore

SHARE = 0.015
"""Of one core while it reads. A scrub may cost 2 %; the rest is for waking up, which nothing here can measure.

Source: docs/decisions/0011-healing.md.
"""
BURST_S = 0.005
"""Processor time between two rests: less, and a cold start after each rest costs more than it reads."""
_NICE = 10
"""Behind everything that somebody waits for; at 19, a device that is busy for hours would never finish a round."""


class Examined(Struct, frozen=True, kw_only=True):
    """How an artifact was found."""

    artifact: ArtifactHash
    pieces: int
    """How many it has; 0 where its map is lost too, so that only the whole is known to be damaged."""
    damaged: tuple[int, ...]
    """Indices of the pieces that are not what they were."""
    n_bytes: int
    cpu_s: float

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is damaged."""
        return self.pieces > 0 and not self.damaged

    @property
    def is_mendable(self) -> bool:
        """Tell whether so few pieces are damaged that the rest can be trusted."""
        return mendable(len(self.damaged), self.pieces)


class ScrubEnded(Exception):
    """The scrubber was closed while it read."""


class Scrubber:
    """One thread that stands back for all others, and works :data:`SHARE` of the time."""

    def __init__(self, store: ModelStore, *, share: float = SHARE) -> None:
        self._store = store
        self._closed = threading.Event()
        self._pace = _Pace(share, self._closed)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scrubber", initializer=_stand_back)

    async def examine(self, artifact: ArtifactHash) -> Examined:
        """Read all of an artifact and hold every piece against its map.

        Raises:
            RegistryError: it is not there any more, or the disk refuses to be read at all.
            ScrubEnded: the daemon ends.
        """
        is_whole, cpu_s = await asyncio.get_running_loop().run_in_executor(self._thread, self._read, artifact)
        # Where the damage is is looked for at once: it is rare, and somebody may be about to load this.
        return await asyncio.to_thread(self._examined, artifact, is_whole=is_whole, cpu_s=cpu_s)

    def close(self) -> None:
        """Stop reading, in the middle of an artifact if need be."""
        self._closed.set()
        self._thread.shutdown(cancel_futures=True)

    def _read(self, artifact: ArtifactHash) -> tuple[bool, float]:
        started_s = thread_time()
        return self._store.is_whole(artifact, self._pace.rest), thread_time() - started_s

    def _examined(self, artifact: ArtifactHash, *, is_whole: bool, cpu_s: float) -> Examined:
        try:
            piece_map = self._store.piece_map(artifact)
            damaged = () if is_whole else self._store.damaged(artifact)
        except ArtifactCorrupt:
            return Examined(artifact=artifact, pieces=0, damaged=(), n_bytes=0, cpu_s=cpu_s)
        n_bytes = piece_map.size_bytes
        return Examined(artifact=artifact, pieces=piece_map.count, damaged=damaged, n_bytes=n_bytes, cpu_s=cpu_s)


class _Pace:
    """Lets the one thread that calls it work its share of the time, over all that it reads."""

    def __init__(self, share: float, closed: threading.Event) -> None:
        self._share = share
        self._closed = closed
        self._rested_s = 0.0
        """Processor time of the thread at the end of its last rest."""

    def rest(self) -> None:
        """Rest for as long as the work since the last rest calls for.

        Raises:
            ScrubEnded: nobody waits for the result any more.
        """
        spent_s = thread_time() - self._rested_s
        if spent_s >= BURST_S:
            self._closed.wait(spent_s / self._share - spent_s)
            self._rested_s = thread_time()
        if self._closed.is_set():
            raise ScrubEnded


def _stand_back() -> None:
    """Let every other thread go first, at the processor and at the disk, where the system knows such priorities."""
    thread = threading.get_native_id()
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, thread, _NICE)
    with suppress(psutil.Error, OSError, AttributeError):
        psutil.Process(thread).ionice(psutil.IOPRIO_CLASS_IDLE)
