"""Keeps what is warm within a number of bytes: what was unused for longest makes room."""

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
            resident.session, resident.last_used_s = session, monotonic()
        self._log.info(log.MODEL_LOADED, model=str(resident), load_ms=resident.load_s * 1e3)
        return session, resident.load_s

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
        others.sort(key=lambda other: other.last_used_s, reverse=True)
        while sum(other.memory_bytes for other in others) + resident.memory_bytes > self._limit_bytes:
            self.unload(others.pop())
