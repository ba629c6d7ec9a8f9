"""What a variant would cost on a device that nobody measured it on, and how far off that may be."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from model_registry.advice.device import YARDSTICK_MACS, Device, computes_in_integers
from model_registry.figures import duration
from model_registry.measured import Cost
from model_registry.tier import Precision, Variant


class Uncertainty(NamedTuple):
    """By which factor nine of ten predictions are off at most, either way."""

    scaled: float
    """From a latency that was measured elsewhere, by the ratio of the two devices' yardsticks."""
    by_macs: float
    """From the multiply-accumulates alone."""


# Source: docs/decisions/0010-prediction.md. In ncnn's benchmark table, 65 processors predicted from one another: 1.5
# and 2.0. From onnxruntime on a busy machine to ncnn on the classes' own devices: 1.64 to 2.19, and 1.56 to 1.72.
_FLOATS = Uncertainty(scaled=2.2, by_macs=2.24)
_INTEGERS = Uncertainty(scaled=2.0, by_macs=2.5)


class Prediction(Struct, frozen=True, kw_only=True):
    """A cost with its uncertainty: nine of ten lie in [low_ms, high_ms)."""

    cost: Cost
    factor: float = 1.0
    """1.0: it was measured on that very device."""

    @property
    def low_ms(self) -> float:
        """Return the lower end for one item, in milliseconds."""
        return self.cost.p50_ms / self.factor

    @property
    def high_ms(self) -> float:
        """Return the upper end for one item, in milliseconds."""
        return self.cost.p50_ms * self.factor


def predict(variant: Variant, device: Device) -> Prediction | None:
    """Return what one item of the batch would take on `device`; None where nothing was measured or counted.

    A figure that was measured on the device itself counts first. Next comes one measured elsewhere, if the yardstick
    was measured there too: scaled as a whole it carries overheads and memory-bound operators along. Last come
    multiply-accumulates alone. Memory is that of the process where it was measured: it hardly depends on the processor.
    """
    there = next((cost for cost in variant.costs if cost.how == "measured" and cost.device == device.name), None)
    if there:
        return Prediction(
            cost=there if there.joules is not None else replace(there, joules=_joules(there.p50_ms, device))
        )
    elsewhere = next((cost for cost in variant.costs if cost.how == "measured" and cost.yardstick_ms), None)
    if elsewhere:
        return _scaled(variant.precision, elsewhere, device)
    return _by_macs(variant, device) if variant.macs else None


def peak_memory_bytes(variant: Variant) -> int | None:
    """Return the largest peak that was measured of the variant's process, in bytes; None where nobody measured."""
    peaks = [cost.peak_memory_bytes for cost in variant.costs if cost.peak_memory_bytes and cost.how == "measured"]
    return max(peaks, default=None)


def _scaled(precision: Precision, measured: Cost, device: Device) -> Prediction:
    assert measured.yardstick_ms, "chosen for having one"
    yardstick_ms = device.yardstick_ms(precision)
    ratio = yardstick_ms / measured.yardstick_ms
    arithmetic = "int8" if computes_in_integers(precision) else "fp32"
    sentence = (
        f"{_written(measured.p50_ms)} measured on {measured.device}, times {ratio:.3g}: MobileNetV1 in {arithmetic} "
        f"takes {_written(measured.yardstick_ms)} there and {_written(yardstick_ms)} on {device.called} (by ncnn)"
    )
    return _prediction(
        device, measured.p50_ms * ratio, _uncertainty(precision).scaled, sentence, measured.peak_memory_bytes
    )


def _by_macs(variant: Variant, device: Device) -> Prediction:
    p50_ms = variant.macs / YARDSTICK_MACS * device.yardstick_ms(variant.precision)
    sentence = (
        f"{variant.macs / 1e6:.3g} million multiply-accumulates at the speed of MobileNetV1 on {device.called}, "
        "for no latency was measured that could be scaled"
    )
    return _prediction(device, p50_ms, _uncertainty(variant.precision).by_macs, sentence, peak_memory_bytes(variant))


def _prediction(device: Device, p50_ms: float, factor: float, sentence: str, memory_bytes: int | None) -> Prediction:
    margin = f"nine of ten networks lie between {_written(p50_ms / factor)} and {_written(p50_ms * factor)}"
    cost = Cost(
        device=device.name,
        how="predicted",
        p50_ms=p50_ms,
        peak_memory_bytes=memory_bytes,
        joules=_joules(p50_ms, device),
        source=f"{sentence}; {margin} (a factor of {factor:g}, meshd's decision record 0010)",
    )
    return Prediction(cost=cost, factor=factor)


def _joules(p50_ms: float, device: Device) -> float:
    return p50_ms * 1e-3 * device.power.active_watts


def _uncertainty(precision: Precision) -> Uncertainty:
    return _INTEGERS if computes_in_integers(precision) else _FLOATS


def _written(milliseconds: float) -> str:
    return duration(milliseconds / 1e3)
