"""What the figures are held against."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from meshd.bench.report import Report
from meshd.core.node import DeviceClass


class Target(Struct, frozen=True, kw_only=True):
    """One figure with the most that it may be."""

    what: str
    figure: Callable[[Report], float]
    most: float
    unit: str
    digits: int = 0

    def is_met(self, report: Report) -> bool:
        """Tell whether a report keeps to it."""
        return self.figure(report) <= self.most


TARGETS = (
    Target(
        what="client to model and back, beyond the run", figure=lambda r: r.local_overhead_us, most=250.0, unit="µs"
    ),
    Target(what="the same by TLS to another daemon", figure=lambda r: r.remote_overhead_us, most=500.0, unit="µs"),
    Target(
        what="until all nodes see each other, slowest start",
        figure=lambda r: max(r.discovery_s),
        most=3.0,
        unit="s",
        digits=2,
    ),
    Target(
        what="resident memory of the watch, its model warm",
        figure=lambda r: r.resident_mb[DeviceClass.WATCH],
        most=90.0,
        unit="MB",
        digits=1,
    ),
    Target(
        what="the idle watch's share of one core",
        figure=lambda r: r.idle_cpu_percent[DeviceClass.WATCH],
        most=1.0,
        unit="%",
        digits=2,
    ),
)
