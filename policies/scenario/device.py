"""The processors that nodes are drawn from."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from msgspec import Struct

from meshd.core.node import DeviceClass
from policies.scenario.scenario import Split
from policies.scenario.toml_file import decode


class Device(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One processor, by its yardstick: MobileNetV1 1.0/224 on one core (ncnn's benchmark table)."""

    name: str
    device_class: DeviceClass
    split: Split
    int8_ms: float
    fp32_ms: float
    idle_watts: float
    active_watts: float
    """Of one busy core, above idling."""

    def yardstick_ms(self, precision: Literal["int8", "fp32"]) -> float:
        """Return what the yardstick takes in the arithmetic of a precision, in milliseconds."""
        return self.int8_ms if precision == "int8" else self.fp32_ms


class _Devices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    devices: tuple[Device, ...]


@cache
def devices_of(device_class: DeviceClass, split: Split) -> tuple[Device, ...]:
    """Return the processors that a node of a class may have in the worlds of a split, as devices.toml lists them."""
    return tuple(one for one in _all() if one.device_class is device_class and one.split is split)


@cache
def _all() -> tuple[Device, ...]:
    text = files("policies.scenario").joinpath("devices.toml").read_text(encoding="utf-8")
    return decode(text, "devices.toml", _Devices).devices
