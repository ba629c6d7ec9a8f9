import psutil
import pytest

from meshd.documents import BatteryState
from meshd.host.battery import SimulatedBattery, SystemBattery, battery_of
from model_registry.device_class import device_class

WATCH = device_class("watch").power


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_simulated_battery_empties_by_idling_and_by_what_is_spent() -> None:
    assert WATCH.battery_joules is not None
    clock = Clock()
    battery = SimulatedBattery(WATCH, fraction=0.5, clock=clock)
    assert battery.state() == BatteryState(fraction=0.5, charging=False, simulated=True)
    clock.now_s += 0.1 * WATCH.battery_joules / WATCH.idle_watts
    assert battery.state().fraction == pytest.approx(0.4)
    battery.spend(0.15 * WATCH.battery_joules)
    assert battery.state().fraction == pytest.approx(0.25)


def test_a_simulated_battery_is_never_less_than_empty() -> None:
    battery = SimulatedBattery(WATCH)
    battery.spend(1e9)
    assert battery.state().fraction == 0.0


def test_a_device_on_mains_has_no_battery_to_simulate() -> None:
    with pytest.raises(ValueError, match="no battery"):
        SimulatedBattery(device_class("hub").power)
    assert isinstance(battery_of(device_class("hub").power, simulate=True), SystemBattery)


def test_a_battery_is_simulated_only_if_asked() -> None:
    assert isinstance(battery_of(WATCH, simulate=True), SimulatedBattery)
    assert isinstance(battery_of(WATCH, simulate=False), SystemBattery)


def test_the_systems_battery_is_the_one_that_psutil_finds() -> None:
    found = psutil.sensors_battery()
    state = SystemBattery().state()
    assert (state is None) == (found is None)
    assert state is None or not state.simulated
