"""Keeps what is warm within a number of bytes: what takes little to load again, for the room it takes, goes first.

Each use lifts what is used to a height: the seconds that loading it took, per byte, above the height of what had to go
last. The lowest goes. So a small model that is used now and then stays beside large ones that take hardly longer to
load, and whatever is used no more goes in the end, for what is used rises above it.

Source: GreedyDual-Size, P. Cao and S. Irani, "Cost-aware WWW proxy caching algorithms", USENIX Symposium on Internet
Technologies and Systems (1997).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from time import monotonic, perf_counter

from meshd import log
from meshd.errors import ModelUnusable
from meshd.executor.resident import Resident
from meshd.host import memory
from model_registry.runtime.session import Session


class MemoryBudget:
    """Loads and unloads; whole models and ranges of stages count alike. Any thread may call it."""

    def __init__(self, limit_bytes: int, residents: Callable[[], Iterable[Resident]], *, threads: int) -> None:
        self._limit_bytes = limit_bytes
        self._residents = residents
        self._threads = threads
        self._gone_height = 0.0
        self._loading = Lock()  # One at a time: what a load adds to the process's memory is measured.
        self._log = log.get_logger()

    @property
    def free_bytes(self) -> int:
        """Return what is left beside all that is warm."""
        return self._limit_bytes - sum(resident.memory_bytes for resident in self._residents() if resident.session)

    def can_spare(self, n_bytes: int) -> bool:
        """Tell whether half of the limit stays free beside so much more: for what is loaded in case it is asked for."""
        return self.free_bytes - n_bytes >= self._limit_bytes // 2

    def load(self, resident: Resident, read: Callable[[], bytes]) -> tuple[Session, float]:
        """Return its session and the seconds that it took to get it; ``read`` gives the artifact. Blocks.

        Raises:
            ModelUnusable: it cannot be read or opened, or is larger than the budget.
        """
        with self._loading:
            if resident.session is not None:
                return resident.session, 0.0
            self._make_room_for(resident)
            started, before = perf_counter(), memory.private_bytes()
            session = resident.open(read(), threads=self._threads)
            resident.load_s = perf_counter() - started
            resident.memory_bytes = max(resident.file_bytes, memory.private_bytes() - before)
            self._make_room_for(resident)
            self.used(resident)
            resident.session = session
        self._log.info(log.MODEL_LOADED, model=str(resident), load_ms=resident.load_s * 1e3)
        return session, resident.load_s

    def used(self, resident: Resident) -> None:
        """Take in that something in memory ended a run, or came in for one."""
        resident.last_used_s = monotonic()
        resident.height = self._gone_height + resident.load_s / max(resident.memory_bytes, 1)

    def unload(self, resident: Resident) -> None:
        """Make it cold; a run that goes on finishes."""
        resident.session = None
        memory.give_back()
        self._log.info(log.MODEL_UNLOADED, model=str(resident))

    def _make_room_for(self, resident: Resident) -> None:
        if resident.memory_bytes > self._limit_bytes:
            raise ModelUnusable(
                f"{resident} takes {resident.memory_bytes / 1e6:.1f} MB and the budget for models is "
                f"{self._limit_bytes / 1e6:.1f} MB.",
                hint="Raise the budget or host a smaller variant.",
            )
        others = [other for other in self._residents() if other.session and other is not resident]
        others.sort(key=lambda other: (other.height, other.last_used_s), reverse=True)
        while sum(other.memory_bytes for other in others) + resident.memory_bytes > self._limit_bytes:
            lowest = others.pop()
            self._gone_height = max(self._gone_height, lowest.height)
            self.unload(lowest)
