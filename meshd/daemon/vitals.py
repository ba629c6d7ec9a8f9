"""How this node itself is: joules spent, battery, memory."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from meshd.core.answer import Energy
from meshd.core.events import HostChanged
from meshd.core.ids import ArtifactHash
from meshd.core.node import WarmStages
from meshd.documents import BatteryState
from meshd.host import memory
from meshd.host.battery import Battery
from meshd.host.energy_meter import EnergyMeter
from model_registry.power import PowerModel


class Vitals:
    """Counts what requests take from this node and samples what its machine says."""

    def __init__(
        self,
        power: PowerModel,
        *,
        battery: Battery,
        meter: EnergyMeter,
        warm: Callable[[], tuple[ArtifactHash, ...]],
        warm_stages: Callable[[], tuple[WarmStages, ...]],
    ) -> None:
        self._power = power
        self._battery = battery
        self._meter = meter
        self._warm = warm
        self._warm_stages = warm_stages

    def now(self) -> float:
        """Return the time of the scheduler's clock."""
        return monotonic()

    def age_s(self, at_s: float) -> float:
        """Return how long ago a point in time of the scheduler's clock was."""
        return self.now() - at_s

    def computed(self, macs: int) -> None:
        """Count a stage that ran."""
        self._spend(self._power.compute_joules(macs))

    def moved(self, n_bytes: int) -> None:
        """Count bytes that were sent or received for a request."""
        self._spend(self._power.radio_joules(n_bytes, 0))

    def battery(self) -> BatteryState | None:
        """Return how full the battery is; none on mains."""
        return self._battery.state()

    def energy(self) -> Energy:
        """Return what this machine has used since the start, idling included."""
        return Energy(joules=self._meter.joules(), estimated=self._meter.estimated)

    def resident_bytes(self) -> int:
        """Return what this process occupies in memory."""
        return memory.resident_bytes()

    def sample(self) -> HostChanged:
        """Return what the machine says now, for the scheduler."""
        battery = self._battery.state()
        return HostChanged(
            warm=self._warm(),
            warm_stages=self._warm_stages(),
            battery_fraction=battery.fraction if battery else None,
            charging=battery.charging if battery else False,
            free_memory_bytes=memory.free_bytes(),
        )

    def _spend(self, joules: float) -> None:
        self._battery.spend(joules)
        self._meter.count(joules)
