"""How this node itself is: joules spent, battery, memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from meshd.core.events import HostChanged
from meshd.core.ids import ArtifactHash
from meshd.documents import BatteryState
from meshd.host import memory
from model_registry.power import PowerModel


class Vitals:
    """Counts what this node spends and samples what its machine says."""

    def __init__(self, power: PowerModel, warm: Callable[[], tuple[ArtifactHash, ...]]) -> None:
        self.joules = 0.0
        """Spent on requests since the start, above idling; an estimate by the power model."""
        self.estimated = True
        self._power = power
        self._warm = warm
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        """Return the time of the scheduler's clock."""
        return self._loop.time()

    def age_s(self, at_s: float) -> float:
        """Return how long ago a point in time of the scheduler's clock was."""
        return self.now() - at_s

    def computed(self, macs: int) -> None:
        """Count a stage that ran."""
        self.joules += self._power.compute_joules(macs)

    def moved(self, n_bytes: int) -> None:
        """Count bytes that were sent or received for a request."""
        self.joules += self._power.radio_joules(n_bytes, 0)

    def battery(self) -> BatteryState | None:
        """Return the battery; none on mains."""
        return None

    def resident_bytes(self) -> int:
        """Return what this process occupies in memory."""
        return memory.resident_bytes()

    def sample(self) -> HostChanged:
        """Return what the machine says now, for the scheduler."""
        return HostChanged(
            warm=self._warm(), battery_fraction=None, charging=False, free_memory_bytes=memory.free_bytes()
        )
