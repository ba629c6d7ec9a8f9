"""Figures become quantiles, quantiles are held against targets, and both can be read."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from meshd.bench.report import Distilled, Int4, Overload, Quantiles, Ratio, Report
from meshd.bench.report_view import report_view
from meshd.bench.targets import TARGETS
from meshd.core.node import DeviceClass
from tests.bench.reports import CONVERSION, REPORT


def _distilled(*, size: float = 0.02, latency: float = 0.5, points: float = 1.0) -> Distilled:
    return Distilled(ratio=Ratio(size=size, latency=latency), accuracy_points=points)


def test_quantiles_are_in_microseconds() -> None:
    assert Quantiles.of([n * 1e-6 for n in range(101)]) == Quantiles(p50=50.0, p99=99.0)


def test_a_figure_at_its_limit_meets_the_target() -> None:
    assert [target.is_met(REPORT) for target in TARGETS] == [True] * len(TARGETS)


@pytest.mark.parametrize(
    ("worse", "missed"),
    [
        (replace(REPORT, local_us=Quantiles(p50=155.1, p99=156.0)), 0),
        (replace(REPORT, remote_us=Quantiles(p50=305.1, p99=506.0)), 1),
        (replace(REPORT, remote_us=Quantiles(p50=305.0, p99=1500.1)), 2),
        (replace(REPORT, large_tensor_us=Quantiles(p50=1200.1, p99=1300.0)), 3),
        (replace(REPORT, mlserver_rps=1441.0), 4),
        (replace(REPORT, decision_us={**REPORT.decision_us, 3: Quantiles(p50=60.0, p99=200.1)}), 5),
        (replace(REPORT, decision_us={**REPORT.decision_us, 64: Quantiles(p50=60.0, p99=1000.1)}), 6),
        (replace(REPORT, decision_us={**REPORT.decision_us, 1000: Quantiles(p50=60.0, p99=5000.1)}), 7),
        (replace(REPORT, overload_mb=Overload(start=90.0, end=92.1, sent=1)), 8),
        (replace(REPORT, discovery_s=(3.1, 1.0)), 9),
        (replace(REPORT, resident_mb={DeviceClass.WATCH: 90.1}), 10),
        (replace(REPORT, idle_cpu_percent={DeviceClass.WATCH: 1.1}), 11),
        (replace(REPORT, healing=replace(REPORT.healing, mended_worst_s=2.1)), 12),
        (replace(REPORT, healing=replace(REPORT.healing, failed=1)), 13),
        (replace(REPORT, healing=replace(REPORT.healing, scrub_cpu_percent=2.1)), 14),
        (replace(REPORT, conversion=replace(CONVERSION, distilled=_distilled(size=0.021))), 15),
        (replace(REPORT, conversion=replace(CONVERSION, distilled=_distilled(points=1.1))), 16),
        (replace(REPORT, conversion=replace(CONVERSION, distilled=_distilled(latency=0.51))), 17),
        (replace(REPORT, conversion=replace(CONVERSION, int4=Int4(size=0.56, int8_cosine=1.0, int4_cosine=1.0))), 18),
        (replace(REPORT, conversion=replace(CONVERSION, import_s=60.1)), 19),
        (replace(REPORT, pipeline_speedup=1.69), len(TARGETS) - 1),
    ],
    ids=[
        *("local", "remote", "remote p99", "large tensor", "MLServer"),
        *("3 nodes", "64 nodes", "1,000 nodes", "overload"),
        *("discovery", "memory", "idle"),
        *("mending", "failed", "scrub"),
        *("distilled size", "distilled accuracy", "distilled latency", "int4", "import", "stream"),
    ],
)
def test_each_target_is_missed_by_its_own_figure_alone(worse: Report, missed: int) -> None:
    assert [index for index, target in enumerate(TARGETS) if not target.is_met(worse)] == [missed]


def test_the_page_for_a_person_says_what_was_met_and_what_was_missed() -> None:
    page = io.StringIO()
    slow = replace(REPORT, local_us=Quantiles(p50=1000.0, p99=2000.0))
    Console(file=page, width=120).print(report_view(slow))
    lines = [" ".join(line.split()) for line in page.getvalue().splitlines()]
    assert "client to model and back, beyond the run 995 µs at most 150 µs missed" in lines
    assert "the same by TLS to another daemon 300 µs at most 300 µs met" in lines
    assert "asked of the watch 1000 µs 2000 µs" in lines
    assert "4,321 requests a second from 16 clients at once, 3.0 times MLServer's 1,440" in lines
    assert "hub 100.0 MB 2.00 %" in lines
    assert "a model: int8 of float32 30.0 % 110.0 %" in lines


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    without = replace(REPORT, conversion=None, mlserver_rps=None)
    assert [target.is_met(without) for target in TARGETS].count(None) == 6
    page = io.StringIO()
    Console(file=page, width=120).print(report_view(without))
    assert page.getvalue().count("not measured") == 6
