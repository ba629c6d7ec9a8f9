"""What the daemons of a household take while nobody asks them anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import psutil
from msgspec import Struct

from meshd.core.node import DeviceClass
from meshd.demo.household import Household

_SETTLE_S = 2.0
"""After the last request; garbage is collected and timers of requests run out."""


class Footprint(Struct, frozen=True, kw_only=True):
    """Memory and processor time, by device."""

    resident_mb: dict[DeviceClass, float]
    idle_cpu_percent: dict[DeviceClass, float]


async def measure_footprint(household: Household, *, seconds: float) -> Footprint:
    """Watch the idle daemons for some seconds by what the system says of their processes."""
    processes = {name: psutil.Process(device.pid) for name, device in household.devices.items()}
    await asyncio.sleep(min(_SETTLE_S, seconds))
    before, started = _busy_s(processes), time.perf_counter()
    await asyncio.sleep(seconds)
    after, elapsed_s = _busy_s(processes), time.perf_counter() - started
    return Footprint(
        resident_mb={name: round(process.memory_info().rss / 1e6, 1) for name, process in processes.items()},
        idle_cpu_percent={name: round((after[name] - before[name]) / elapsed_s * 100, 2) for name in processes},
    )


def _busy_s(processes: Mapping[DeviceClass, psutil.Process]) -> dict[DeviceClass, float]:
    """Return the seconds that each process has been on a core; the system counts them in hundredths."""
    times = {name: process.cpu_times() for name, process in processes.items()}
    return {name: spent.user + spent.system for name, spent in times.items()}
