"""What was measured of a variant, where and how: figures without that are claims."""

import datetime as dt
from collections.abc import Iterator
from math import isfinite
from typing import Annotated, Literal

from msgspec import Meta, Struct

from model_registry.flaw import Flaw

END = r"$(?!\n)"
"""End of a pattern: elsewhere `$` is the end, in Python it also matches before a last line break."""
EXACT = 2**53 - 1
"""Largest whole number that every JSON library keeps, and so the largest that can be signed: RFC 8785, 3.2.2.3."""
ONE_LINE = rf"^[^\x00-\x1f\x7f-\x9f]*{END}"
"""A stranger wrote it and a terminal prints it: it holds nothing that a terminal would obey."""

Milliseconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0, le=EXACT)]
Positive = Annotated[int, Meta(ge=1, le=EXACT)]
Sha256 = Annotated[str, Meta(pattern=rf"^[0-9a-f]{{64}}{END}", description="a SHA-256 of 64 lower-case hex digits")]
Text = Annotated[str, Meta(min_length=1, max_length=1000, pattern=ONE_LINE, description="one line of text")]
Note = Annotated[str, Meta(max_length=1000, pattern=ONE_LINE, description="one line of text, or none")]
Label = Annotated[str, Meta(min_length=1, max_length=128, pattern=ONE_LINE, description="a few words on one line")]


class Cost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one run on one kind of device takes, for one item of the batch."""

    device: Text
    """A device class (watch, phone, hub, upstream), or the name of the processor it was measured on."""
    how: Literal["measured", "predicted"] = "measured"
    """Seen there, or computed from what was seen elsewhere."""
    p50_ms: Milliseconds
    """Median time of a run, in milliseconds."""
    p99_ms: Milliseconds | None = None
    """Time that one run in a hundred exceeds, in milliseconds."""
    peak_memory_bytes: Positive | None = None
    """Of the whole process, at the largest input that the manifest allows."""
    joules: Annotated[float, Meta(ge=0)] | None = None
    """Above idling; always an estimate."""
    yardstick_ms: Milliseconds | None = None
    """What MobileNetV1 1.0/224 took there on one core in the same precision and runtime: carries the figure to other
    devices, whose time for it is known."""
    source: Text
    """The command that measured it, or where the figures behind a prediction come from."""
    measured: dt.date | None = None
    """When."""

    def flaws(self) -> Iterator[Flaw]:
        """Yield every figure that is infinite."""
        for key in ("p50_ms", "p99_ms", "joules", "yardstick_ms"):
            if (figure := getattr(self, key)) is not None and not isfinite(figure):
                yield Flaw((key,), f"{key} = {figure} is no measurement.")


class Evaluation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a variant's accuracy was measured on."""

    dataset: Text
    """Name and version of the data, and where it can be had."""
    dataset_sha256: Sha256
    """Hash of the file that was read."""
    items: Positive
    """How many items it holds."""
    reference: Literal["labels", "parent"] = "labels"
    """Against true labels, or against what the model it was made from answers: then it says agreement, not accuracy."""
