"""What the figures are held against."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from meshd.bench.report import Conversion, Report
from meshd.core.node import DeviceClass


class Target(Struct, frozen=True, kw_only=True):
    """One figure with what it is held against."""

    what: str
    figure: Callable[[Report], float | None]
    """None where it was not measured."""
    bound: float
    unit: str
    digits: int = 0
    is_floor: bool = False
    """Whether the figure may be no less than the bound; else no more."""

    def is_met(self, report: Report) -> bool | None:
        """Tell whether a report keeps to it; none where it was not measured."""
        figure = self.figure(report)
        if figure is None:
            return None
        return figure >= self.bound if self.is_floor else figure <= self.bound


def _of_conversion(figure: Callable[[Conversion], float | None]) -> Callable[[Report], float | None]:
    return lambda report: None if report.conversion is None else figure(report.conversion)


def _percent(share: float) -> float:
    return round(share * 100, 2)


def _decision_p99_us(report: Report, n_nodes: int) -> float | None:
    taken = report.decision_us.get(n_nodes)
    return None if taken is None else taken.p99


def _worst_ratio(report: Report, *, below_1_ms: bool) -> float | None:
    return max((cut.ratio for cut in report.cuts if (cut.whole_ms < 1.0) is below_1_ms), default=None)


def _regrets(report: Report) -> list[float]:
    return [_percent(choice.regret) for choice in report.plans]


def _behind_single(report: Report) -> float | None:
    return max((_percent(choice.over_single) for choice in report.plans), default=None)


TARGETS = (
    Target(
        what="client to model and back, beyond the run", figure=lambda r: r.local_overhead_us, bound=150.0, unit="µs"
    ),
    Target(what="the same by TLS to another daemon", figure=lambda r: r.remote_overhead_us, bound=300.0, unit="µs"),
    Target(what="its 99th percentile, in full", figure=lambda r: r.remote_us.p99, bound=1500.0, unit="µs"),
    Target(
        what="602 kB to a peer by TLS and a small answer back",
        figure=lambda r: r.large_tensor_us.p50,
        bound=1200.0,
        unit="µs",
    ),
    Target(
        what="16 clients: the watch's requests a second, of MLServer's",
        figure=lambda r: r.mlserver_ratio,
        bound=3.0,
        unit="times",
        digits=1,
        is_floor=True,
    ),
    *(
        Target(
            what=f"a decision among {n_nodes:,} nodes, 99th percentile",
            figure=partial(_decision_p99_us, n_nodes=n_nodes),
            bound=most_us,
            unit="µs",
        )
        for n_nodes, most_us in ((3, 200.0), (64, 1000.0), (1000, 5000.0))
    ),
    Target(
        what="growth of the watch under overload, after warm-up",
        figure=lambda r: r.overload_mb.growth,
        bound=2.0,
        unit="MB",
        digits=1,
    ),
    Target(
        what="until all nodes see each other, slowest start",
        figure=lambda r: max(r.discovery_s),
        bound=3.0,
        unit="s",
        digits=2,
    ),
    Target(
        what="resident memory of the watch, its model warm",
        figure=lambda r: r.resident_mb[DeviceClass.WATCH],
        bound=90.0,
        unit="MB",
        digits=1,
    ),
    Target(
        what="the idle watch's share of one core",
        figure=lambda r: r.idle_cpu_percent[DeviceClass.WATCH],
        bound=1.0,
        unit="%",
        digits=2,
    ),
    Target(
        what="a flipped byte, from found to mended by a peer, slowest",
        figure=lambda r: r.healing.mended_worst_s,
        bound=2.0,
        unit="s",
        digits=2,
    ),
    Target(what="requests that failed meanwhile", figure=lambda r: float(r.healing.failed), bound=0.0, unit=""),
    Target(
        what="a scrub's share of one core",
        figure=lambda r: r.healing.scrub_cpu_percent,
        bound=2.0,
        unit="%",
        digits=2,
    ),
    Target(
        what="the distilled watch's bytes, of the hub's",
        figure=_of_conversion(lambda c: _percent(c.distilled.ratio.size)),
        bound=2.0,
        unit="%",
        digits=2,
    ),
    Target(
        what="its balanced accuracy, below the hub's",
        figure=_of_conversion(lambda c: c.distilled.accuracy_points),
        bound=1.0,
        unit="points",
        digits=2,
    ),
    Target(
        what="its latency, of the hub's",
        figure=_of_conversion(lambda c: _percent(c.distilled.ratio.latency)),
        bound=50.0,
        unit="%",
    ),
    Target(
        what="four-bit matrices, of their bytes in int8",
        figure=_of_conversion(lambda c: None if c.int4 is None else _percent(c.int4.size)),
        bound=55.0,
        unit="%",
        digits=1,
    ),
    Target(
        what="a network of 4 MB, from import to variants",
        figure=_of_conversion(lambda c: c.import_s),
        bound=60.0,
        unit="s",
        digits=1,
    ),
    Target(
        what="regret of the chosen plan, mean over models and speeds",
        figure=lambda r: sum(_regrets(r)) / len(r.plans) if r.plans else None,
        bound=2.0,
        unit="%",
        digits=1,
    ),
    Target(
        what="the same, worst",
        figure=lambda r: max(_regrets(r), default=None),
        bound=10.0,
        unit="%",
        digits=1,
    ),
    Target(what="behind the best single node, worst", figure=_behind_single, bound=5.0, unit="%", digits=1),
    Target(
        what="head and tail, of the whole's time, worst cut",
        figure=lambda r: _worst_ratio(r, below_1_ms=False),
        bound=1.05,
        unit="",
        digits=2,
    ),
    Target(
        what="the same for models below 1 ms",
        figure=lambda r: _worst_ratio(r, below_1_ms=True),
        bound=1.15,
        unit="",
        digits=2,
    ),
    Target(
        what="a stream over two nodes, of its rate on one",
        figure=lambda r: r.pipeline_speedup,
        bound=1.7,
        unit="times",
        digits=2,
        is_floor=True,
    ),
)
