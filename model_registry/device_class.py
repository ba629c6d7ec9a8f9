"""The classes of devices and what a typical one of each can do."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from model_registry.power import PowerModel

NAMES = ("watch", "phone", "hub", "upstream")  # Weakest first; tiers are named after them.


class DeviceClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class of devices: what its nodes start from until they have measured themselves.

    `radio_joules_per_byte_range` is what publications disagree about, lowest and highest: sweep it.
    `fp32_yardstick_ms` is what MobileNetV1 takes in fp32; `power.macs_per_s` is its speed in int8.
    `memory_bytes` is what the daemon's process may occupy.
    """

    name: Literal["watch", "phone", "hub", "upstream"]
    summary: str
    power: PowerModel
    radio_joules_per_byte_range: tuple[float, float]
    fp32_yardstick_ms: Annotated[float, Meta(gt=0)]
    memory_bytes: Annotated[int, Meta(ge=1)]

    def with_radio_joules_per_byte(self, joules: float) -> PowerModel:
        """Return the class's power model with another energy per byte, for sweeping the published range."""
        return msgspec.structs.replace(self.power, radio_joules_per_byte=joules)


def device_class(name: str) -> DeviceClass:
    """Return the class called `name`.

    Raises:
        KeyError: there is no such class; `NAMES` lists them.

    """
    return device_classes()[name]


@cache
def device_classes() -> dict[str, DeviceClass]:
    """Return every class by name, weakest first, as `device_classes.toml` states them."""
    text = Path(__file__).with_name("device_classes.toml").read_text(encoding="utf-8")
    tables = msgspec.toml.decode(text, type=dict[str, dict[str, object]])
    return {name: msgspec.convert({"name": name, **tables[name]}, DeviceClass) for name in NAMES}
