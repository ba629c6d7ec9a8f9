"""A device that models are weighed for: a typical one of its class, or one node of the mesh."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from model_registry.device_class import DeviceClass
from model_registry.power import PowerModel
from model_registry.tier import Format, Precision, Provider

YARDSTICK_MACS = 569_000_000
"""MobileNetV1 1.0/224: Howard et al. 2017, table 8 (arXiv 1704.04861). `PowerModel.macs_per_s` is its speed in int8."""


class Device(Struct, frozen=True, kw_only=True):
    """What decides whether a model fits: speed, power, memory, and what its executors can run."""

    name: str
    """The class's name, or the node's."""
    device_class: Literal["watch", "phone", "hub", "upstream"]
    power: PowerModel
    fp32_yardstick_ms: float
    memory_bytes: int
    """What the process may occupy."""
    hardware: tuple[Provider, ...] = ("cpu",)
    formats: tuple[Format, ...] = ("onnx", "tflite")
    """A device of any class may have the runtime for .tflite; a node that lacks it says so when it tries."""

    @classmethod
    def typical(cls, kind: DeviceClass) -> Device:
        """Return the device that a class's figures describe."""
        return cls(
            name=kind.name,
            device_class=kind.name,
            power=kind.power,
            fp32_yardstick_ms=kind.fp32_yardstick_ms,
            memory_bytes=kind.memory_bytes,
        )

    @classmethod
    def node(cls, name: str, kind: DeviceClass, power: PowerModel, *, memory_bytes: int | None = None) -> Device:
        """Return a node: its own power model and memory, and what its class says of the rest.

        A node that computes twice as fast as its class in int8 is taken to do so in fp32 as well.
        """
        return cls(
            name=name,
            device_class=kind.name,
            power=power,
            fp32_yardstick_ms=kind.fp32_yardstick_ms * kind.power.macs_per_s / power.macs_per_s,
            memory_bytes=kind.memory_bytes if memory_bytes is None else memory_bytes,
        )

    @property
    def called(self) -> str:
        """Return what sentences call it: a node by its name, a typical device by its class with an article."""
        if self.name != self.device_class:
            return self.name
        return "an upstream server" if self.name == "upstream" else f"a {self.name}"

    @property
    def on_battery(self) -> bool:
        """Tell whether its joules are counted."""
        return self.power.battery_joules is not None

    def yardstick_ms(self, precision: Precision) -> float:
        """Return what MobileNetV1 takes here in the arithmetic that a precision computes in, in milliseconds."""
        if computes_in_integers(precision):
            return YARDSTICK_MACS / self.power.macs_per_s * 1e3
        return self.fp32_yardstick_ms


def computes_in_integers(precision: Precision) -> bool:
    """Tell whether the products are integers: onnxruntime widens fp16 and int4 weights to fp32 on a processor."""
    return precision == "int8"
