"""One variant as it stands on one device: what it would cost there, what it loses, and which limits it breaks."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from model_registry.advice.device import Device
from model_registry.advice.prediction import Prediction, peak_memory_bytes, predict
from model_registry.figures import duration, size
from model_registry.tier import Variant


class Choice(Struct, frozen=True, kw_only=True):
    """A variant that was weighed for a device."""

    name: str
    size_bytes: int
    prediction: Prediction | None
    peak_memory_bytes: int | None
    accuracy: float | None
    loss: float | None
    """Against the reference, 0..1; below 0 where it is the better one, None where either was not measured."""
    breaks: tuple[str, ...] = ()
    """The limits that it breaks, each as what follows its name in a sentence; it fits when there are none."""
    doubts: tuple[str, ...] = ()
    """What is not known, or too close to tell, a sentence each."""

    @property
    def fits(self) -> bool:
        """Tell whether no limit is known to be broken."""
        return not self.breaks

    @property
    def p50_ms(self) -> float | None:
        """Return how long one item takes there, in milliseconds, if anything tells."""
        return self.prediction.cost.p50_ms if self.prediction else None


def weighed(
    name: str, variant: Variant, device: Device, *, deadline_s: float | None, accuracy: float | None, loss: float | None
) -> Choice:
    """Return how `variant`, here called `name`, stands on `device`."""
    prediction = predict(variant, device)
    return Choice(
        name=name,
        size_bytes=variant.size_bytes,
        prediction=prediction,
        peak_memory_bytes=peak_memory_bytes(variant),
        accuracy=accuracy,
        loss=loss,
        breaks=tuple(_broken(variant, device, prediction, deadline_s)),
        doubts=tuple(_doubted(variant, prediction, deadline_s)),
    )


def _broken(variant: Variant, device: Device, prediction: Prediction | None, deadline_s: float | None) -> Iterator[str]:
    if variant.format not in device.formats:
        yield f"is a .{variant.format} file, and {device.called} runs {', '.join(device.formats)}"
    if not set(variant.hardware) & set(device.hardware):
        yield f"is made for {', '.join(variant.hardware)}, and {device.called} has {', '.join(device.hardware)}"
    peak_bytes = peak_memory_bytes(variant)
    if (peak_bytes or variant.size_bytes) > device.memory_bytes:
        what = "for its process at the largest input" if peak_bytes else "for its file alone"
        needed = size(peak_bytes or variant.size_bytes)
        yield f"needs {needed} {what}, and {device.called} has {size(device.memory_bytes)}"
    if prediction and deadline_s is not None and prediction.cost.p50_ms > deadline_s * 1e3:
        yield f"takes {duration(prediction.cost.p50_ms / 1e3)}, and the deadline is {duration(deadline_s)}"


def _doubted(variant: Variant, prediction: Prediction | None, deadline_s: float | None) -> Iterator[str]:
    if peak_memory_bytes(variant) is None:
        yield "Its memory was not measured: only its file was held against the memory there."
    if deadline_s is None:
        return
    if prediction is None:
        yield "Nothing tells how long it takes: neither a latency nor its multiply-accumulates are known."
    elif prediction.cost.p50_ms <= deadline_s * 1e3 < prediction.high_ms:
        yield f"It may miss the deadline: the prediction reaches up to {duration(prediction.high_ms / 1e3)}."
