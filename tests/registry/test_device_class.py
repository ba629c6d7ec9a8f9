import math

import pytest

from model_registry.device_class import NAMES, device_class, device_classes

MOBILENET_MACS = 569_000_000


def test_every_class_is_there_weakest_first() -> None:
    assert tuple(device_classes()) == NAMES
    assert [device_class(name).name for name in NAMES] == list(NAMES)


@pytest.mark.parametrize(
    ("name", "measured_ms"), [("watch", 435.66), ("phone", 11.17), ("hub", 14.44), ("upstream", 2.40)]
)
def test_a_class_predicts_the_latency_it_was_calibrated_with(name: str, measured_ms: float) -> None:
    predicted_ms = device_class(name).power.compute_seconds(MOBILENET_MACS) * 1000
    assert predicted_ms == pytest.approx(measured_ms, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_default_energy_per_byte_is_the_geometric_middle_of_the_published_range(name: str) -> None:
    low, high = device_class(name).radio_joules_per_byte_range
    assert device_class(name).power.radio_joules_per_byte == pytest.approx(math.sqrt(low * high), rel=1e-3)


def test_only_what_is_worn_or_carried_has_a_battery() -> None:
    on_battery = {name for name in NAMES if device_class(name).power.battery_joules is not None}
    assert on_battery == {"watch", "phone"}


def test_the_range_can_be_swept_without_touching_the_rest() -> None:
    watch = device_class("watch")
    swept = watch.with_radio_joules_per_byte(4.6e-6)
    assert swept.radio_joules(1000, wakes=0) == pytest.approx(4.6e-3)
    assert swept.compute_joules(10**6) == watch.power.compute_joules(10**6)


def test_an_unknown_class_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="toaster"):
        device_class("toaster")
