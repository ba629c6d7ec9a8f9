"""The device's battery, or a made-up one for demos and tests on mains."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Protocol

import psutil

from meshd.documents import BatteryState
from model_registry.power import PowerModel


class Battery(Protocol):
    """Something that says how full it is."""

    def state(self) -> BatteryState | None:
        """Return how full it is; none on a device without a battery."""

    def spend(self, joules: float) -> None:
        """Learn what was spent on requests, above idling."""


class SystemBattery:
    """What the operating system says; it knows best what was spent."""

    def state(self) -> BatteryState | None:
        """Return how full the device's battery is; none on a device without one."""
        found = psutil.sensors_battery()
        if found is None:
            return None
        return BatteryState(fraction=found.percent / 100, charging=bool(found.power_plugged), simulated=False)

    def spend(self, joules: float) -> None:
        """Do nothing: a real battery has noticed."""


class SimulatedBattery:
    """Empties by what the power model says: idling all the time, and what requests take on top."""

    def __init__(self, power: PowerModel, *, fraction: float = 1.0, clock: Callable[[], float] = monotonic) -> None:
        """Begin at a fraction of the capacity.

        Raises:
            ValueError: the power model has no battery.
        """
        if power.battery_joules is None:
            raise ValueError("the power model has no battery to simulate.")
        self._power = power
        self._capacity_joules = power.battery_joules
        self._spent_joules = (1.0 - fraction) * power.battery_joules
        self._clock = clock
        self._started_s = clock()

    def state(self) -> BatteryState:
        """Return how full it is by now; never below empty."""
        idle_joules = (self._clock() - self._started_s) * self._power.idle_watts
        left_joules = self._capacity_joules - self._spent_joules - idle_joules
        return BatteryState(fraction=max(0.0, left_joules / self._capacity_joules), charging=False, simulated=True)

    def spend(self, joules: float) -> None:
        """Take what a request used, above idling."""
        self._spent_joules += joules


def battery_of(power: PowerModel, *, simulate: bool) -> Battery:
    """Return the battery to believe; a power model on mains has none to simulate."""
    return SimulatedBattery(power) if simulate and power.battery_joules is not None else SystemBattery()
