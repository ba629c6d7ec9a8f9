"""The command measures real daemons and says what it found, and nothing else, on stdout."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from meshd.bench import Report
from meshd.core.node import DeviceClass

NODES = {DeviceClass.WATCH, DeviceClass.PHONE, DeviceClass.HUB}


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_quick_run_prints_one_json_object_with_every_figure() -> None:
    command = [sys.executable, "-c", "from meshd.cli import main; main()", "bench", "--quick", "--json"]
    ran = subprocess.run(command, check=True, capture_output=True, timeout=400)
    assert_it_has_the_promised_keys(msgspec.json.decode(ran.stdout))
    report = msgspec.json.decode(ran.stdout, type=Report)
    assert min(report.run_us.p50, report.local_us.p50, report.remote_us.p50) > 0.0
    assert report.throughput_rps > 0.0
    assert report.mlserver_rps is None
    assert 0.0 < report.large_tensor_us.p50 <= report.large_tensor_us.p99
    assert {3, 64, 1000} <= report.decision_us.keys()
    assert report.overload_mb.sent > 0
    assert len(report.discovery_s) == 1
    assert report.resident_mb.keys() == report.idle_cpu_percent.keys() == NODES
    assert min(report.resident_mb.values()) > 10.0
    assert (report.healing.rounds, report.healing.failed) == (1, 0)
    assert report.distribution.fetch_bps > 0.0
    assert report.conversion is not None
    assert 0.0 < report.conversion.distilled.ratio.size <= 0.02
    assert [choice.model for choice in report.plans] == ["ecg-anomaly"]
    assert report.plans[0].chosen in [plan.place for plan in report.plans[0].plans]
    assert report.pipeline_speedup is not None
    assert report.pipeline_speedup > 0.0
    assert {cut.model for cut in report.cuts} == {"ecg-anomaly"}
    assert b"timing 2 blocks of 20 calls" in ran.stderr


def assert_it_has_the_promised_keys(printed: dict[str, Any]) -> None:
    """Hold what others read from the object, by its plain keys."""
    assert {"3", "64", "1000"} <= printed["decision_us"].keys()
    for taken in (*printed["decision_us"].values(), printed["large_tensor_us"]):
        assert 0.0 < taken["p50"] <= taken["p99"]
    (choice,) = printed["plans"]
    assert (choice["model"], choice["bandwidth_bps"]) == ("ecg-anomaly", 50e6)
    assert {choice["chosen"], choice["best"]} <= {plan["place"] for plan in choice["plans"]}
    assert choice["regret"] >= 0.0
    assert isinstance(printed["pipeline_speedup"], float)
