"""Variants small enough to reckon with in the head."""

from typing import Any

from model_registry.advice.device import Device
from model_registry.measured import Cost
from model_registry.power import PowerModel
from model_registry.tier import Variant

SLOW = Device(
    name="band",
    device_class="watch",
    power=PowerModel(
        idle_watts=0.03,
        active_watts=0.25,
        macs_per_s=5.69e9,  # MobileNetV1 in int8: 100 ms.
        radio_joules_per_byte=1e-6,
        radio_wake_joules=1e-4,
        radio_bps=1e6,
        battery_joules=4000,
    ),
    fp32_yardstick_ms=200.0,
    memory_bytes=100_000_000,
    formats=("onnx",),
)


def variant(name: str, **changes: Any) -> Variant:
    """Return a variant of a million bytes and 5.69 million multiply-accumulates that nobody measured."""
    figures: dict[str, Any] = {
        "precision": "fp32",
        "file": f"artifacts/{name}.onnx",
        "artifact": "0" * 64,
        "size_bytes": 1_000_000,
        "macs": 5_690_000,
    }
    return Variant(name=name, **(figures | changes))


def cost(p50_ms: float, **changes: Any) -> Cost:
    """Return a cost measured where MobileNetV1 takes 10 ms."""
    figures: dict[str, Any] = {
        "device": "bench",
        "p99_ms": 2 * p50_ms,
        "peak_memory_bytes": 50_000_000,
        "yardstick_ms": 10.0,
        "source": "meshd models import",
    }
    return Cost(p50_ms=p50_ms, **(figures | changes))


FP32 = variant("fp32", size_bytes=4_000_000, accuracy={"accuracy": 0.95}, costs=(cost(4.0),))  # 80 ms on the band
INT8 = variant("int8", precision="int8", accuracy={"accuracy": 0.94}, costs=(cost(2.0),))  # 20 ms
INT4 = variant("int4", precision="int4", size_bytes=500_000, accuracy={"accuracy": 0.9}, costs=(cost(5.0),))  # 100 ms
ALL = {each.name: each for each in (FP32, INT8, INT4)}
