"""Joules that this machine has used: measured where the processor tells, estimated elsewhere, and it says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from model_registry.power import PowerModel

POWERCAP = Path("/sys/class/powercap")
"""Source: Documentation/power/powercap/powercap.rst of the Linux kernel. AMD processors appear as intel-rapl too."""


class EnergyMeter:
    """Counts from the moment it is made. A measurement is the whole processor's, idling and others' work included."""

    def __init__(self, power: PowerModel, *, powercap: Path = POWERCAP, clock: Callable[[], float] = monotonic) -> None:
        self._power = power
        self._clock = clock
        self._started_s = clock()
        self._counted_joules = 0.0
        self._counters = _readable(powercap)

    @property
    def estimated(self) -> bool:
        """Tell whether the figure is a model's and not the processor's."""
        return not self._counters

    def count(self, joules: float) -> None:
        """Learn what the power model says a request used, above idling."""
        self._counted_joules += joules

    def joules(self) -> float:
        """Return what was used since the meter was made. To be read at least once an hour: counters wrap."""
        if self._counters:
            return sum(counter.joules() for counter in self._counters)
        return (self._clock() - self._started_s) * self._power.idle_watts + self._counted_joules


class _Counter:
    """One processor package's energy counter, which wraps at its range."""

    def __init__(self, zone: Path) -> None:
        self._file = zone / "energy_uj"
        self._range_uj = int((zone / "max_energy_range_uj").read_text())
        self._latest_uj = self._read()
        self._total_uj = 0

    def joules(self) -> float:
        now_uj = self._read()
        self._total_uj += (now_uj - self._latest_uj) % (self._range_uj + 1)
        self._latest_uj = now_uj
        return self._total_uj * 1e-6

    def _read(self) -> int:
        return int(self._file.read_text())


def _readable(powercap: Path) -> list[_Counter]:
    """Return the counters of all packages; none if even one is withheld, for half a figure is a wrong one."""
    try:
        return [
            _Counter(zone)
            for zone in sorted(powercap.glob("intel-rapl:?"))
            if (zone / "name").read_text().startswith("package")
        ]
    except (OSError, ValueError):
        return []
