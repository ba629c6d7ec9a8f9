from pathlib import Path

import pytest

from meshd.host.energy_meter import EnergyMeter
from model_registry.device_class import device_class

HUB = device_class("hub").power


def write_zone(powercap: Path, zone: str, name: str, energy_uj: int) -> Path:
    folder = powercap / zone
    folder.mkdir(exist_ok=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text("999999\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def test_what_the_processors_count_is_measured(tmp_path: Path) -> None:
    first = write_zone(tmp_path, "intel-rapl:0", "package-0", 100_000)
    second = write_zone(tmp_path, "intel-rapl:1", "package-1", 0)
    write_zone(tmp_path, "intel-rapl:0:0", "core", 5)
    write_zone(tmp_path, "intel-rapl:2", "psys", 7)
    meter = EnergyMeter(HUB, powercap=tmp_path)
    first.write_text("400000\n")
    second.write_text("200000\n")
    meter.count(99.0)
    assert not meter.estimated
    assert meter.joules() == pytest.approx(0.5)


def test_a_counter_that_wrapped_goes_on(tmp_path: Path) -> None:
    counter = write_zone(tmp_path, "intel-rapl:0", "package-0", 900_000)
    meter = EnergyMeter(HUB, powercap=tmp_path)
    counter.write_text("100000\n")
    assert meter.joules() == pytest.approx(0.2)
    counter.write_text("150000\n")
    assert meter.joules() == pytest.approx(0.25)


def test_without_counters_idling_and_what_requests_used_are_an_estimate(tmp_path: Path) -> None:
    times = iter([50.0, 60.0])
    meter = EnergyMeter(HUB, powercap=tmp_path, clock=lambda: next(times))
    meter.count(1.5)
    assert meter.estimated
    assert meter.joules() == pytest.approx(10.0 * HUB.idle_watts + 1.5)


def test_half_of_the_processors_is_no_measurement(tmp_path: Path) -> None:
    write_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    (write_zone(tmp_path, "intel-rapl:1", "package-1", 1)).unlink()
    assert EnergyMeter(HUB, powercap=tmp_path).estimated
