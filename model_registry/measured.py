"""What was measured of a variant, where and how: figures without that are claims."""

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta, Struct

Milliseconds = Annotated[float, Meta(gt=0)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="SHA-256, 64 lowercase hex digits")]
Text = Annotated[str, Meta(min_length=1)]


class Cost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one run on one kind of device takes, for one item of the batch."""

    device: Text
    """A device class (watch, phone, hub, upstream), or the name of the processor it was measured on."""
    how: Literal["measured", "predicted"] = "measured"
    p50_ms: Milliseconds
    p99_ms: Milliseconds | None = None
    peak_memory_bytes: Annotated[int, Meta(ge=1)] | None = None
    """Of the whole process, at the largest input that the manifest allows."""
    joules: Annotated[float, Meta(ge=0)] | None = None
    """Above idling; always an estimate."""
    yardstick_ms: Milliseconds | None = None
    """What MobileNetV1 1.0/224 took there on one core in the same precision and runtime: carries the figure to other
    devices, whose time for it is known."""
    source: Text
    """The command that measured it, or where the figures behind a prediction come from."""
    measured: dt.date | None = None


class Evaluation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a variant's accuracy was measured on."""

    dataset: Text
    dataset_sha256: Sha256
    items: Annotated[int, Meta(ge=1)]
    reference: Literal["labels", "parent"] = "labels"
    """Against true labels, or against what the model it was made from answers: then it says agreement, not accuracy."""
