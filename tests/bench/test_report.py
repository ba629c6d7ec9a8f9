"""Figures become quantiles, quantiles are held against targets, and both can be read."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from meshd.bench.report import Quantiles, Report
from meshd.bench.report_view import report_view
from meshd.bench.targets import TARGETS
from meshd.core.node import DeviceClass
from tests.bench.reports import REPORT


def test_quantiles_are_in_microseconds() -> None:
    assert Quantiles.of([n * 1e-6 for n in range(101)]) == Quantiles(p50=50.0, p99=99.0)


def test_a_figure_at_its_limit_meets_the_target() -> None:
    assert [target.is_met(REPORT) for target in TARGETS] == [True] * 5


@pytest.mark.parametrize(
    ("worse", "missed"),
    [
        (replace(REPORT, local_us=Quantiles(p50=255.1, p99=256.0)), 0),
        (replace(REPORT, remote_us=Quantiles(p50=505.1, p99=506.0)), 1),
        (replace(REPORT, discovery_s=(3.1, 1.0)), 2),
        (replace(REPORT, resident_mb={DeviceClass.WATCH: 90.1}), 3),
        (replace(REPORT, idle_cpu_percent={DeviceClass.WATCH: 1.1}), 4),
    ],
    ids=["local", "remote", "discovery", "memory", "idle"],
)
def test_each_target_is_missed_by_its_own_figure_alone(worse: Report, missed: int) -> None:
    assert [index for index, target in enumerate(TARGETS) if not target.is_met(worse)] == [missed]


def test_the_page_for_a_person_says_what_was_met_and_what_was_missed() -> None:
    page = io.StringIO()
    slow = replace(REPORT, local_us=Quantiles(p50=1000.0, p99=2000.0))
    Console(file=page, width=120).print(report_view(slow))
    lines = [" ".join(line.split()) for line in page.getvalue().splitlines()]
    assert "client to model and back, beyond the run 995 µs 250 µs missed" in lines
    assert "the same by TLS to another daemon 500 µs 500 µs met" in lines
    assert "asked of the watch 1000 µs 2000 µs" in lines
    assert "4,321 requests a second from 16 clients at once" in lines
    assert "hub 100.0 MB 2.00 %" in lines
