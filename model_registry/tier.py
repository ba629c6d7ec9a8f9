"""A model's rank in a cascade: its variants, and when its answer is not enough."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Annotated, Literal

from msgspec import Meta, Struct

from model_registry.bundle import path_flaw
from model_registry.flaw import Flaw, closest, repeated
from model_registry.measured import END, ONE_LINE, Cost, Count, Evaluation, Label, Note, Positive, Sha256
from model_registry.split import Split
from model_registry.tensor import Axis, Tensor

Format = Literal["onnx", "tflite"]
Precision = Literal["fp32", "fp16", "int8", "int4"]
TierName = Literal["watch", "phone", "hub", "upstream"]
Provider = Literal[
    "cpu", "coreml", "cuda", "directml", "nnapi", "openvino", "qnn", "rocm", "tensorrt", "xnnpack",
]  # fmt: skip
Name = Annotated[
    str,
    Meta(
        pattern=rf"^[a-z0-9]+([._-][a-z0-9]+)*{END}",
        max_length=64,
        description="a name: lower-case letters and digits, parted by single dots, underscores or hyphens",
    ),
]
Share = Annotated[float, Meta(ge=0, le=1)]


class Bound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was shown about missed anomalies, on which patients, for which artifact."""

    missed: Share
    """At most this share of anomalies is neither flagged nor escalated."""
    confidence: Share
    """How sure that is."""
    method: Note
    """The statistical method that gives the bound."""
    measured_missed: Share
    """Share of anomalies that was missed on the data itself."""
    positives: Count
    """Anomalous windows that it was shown on."""
    dataset_sha256: Sha256
    """Hash of the data that it was shown on."""
    artifact: Sha256
    """The artifact that it was shown for: other weights void it."""
    records: tuple[Note, ...]
    """The recordings that it was shown on, none of which the model was trained on."""


class Escalation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a larger tier looks again: the score lies in [low, high), or at or above low without a high."""

    score: str
    """Name of the output that decides."""
    low: float
    """Scores below are certain enough: nothing is wrong."""
    high: float | None = None
    """Scores at or above are certain enough: something is wrong."""
    expected_rate: Share
    """Share of usual inputs that is passed on."""
    bound: Bound
    """What the rule was shown to hold."""

    def escalates(self, score: float) -> bool:
        """Tell whether a larger tier must look again; a NaN always escalates, for it passes no comparison."""
        below = score < self.low
        above = self.high is not None and score >= self.high
        return not (below or above)

    def flaws(self, outputs: Mapping[str, Tensor]) -> Iterator[Flaw]:
        """Yield what makes the rule impossible to apply."""
        yield from _flaws_of_float("score", self.score, outputs)
        if not isfinite(self.low):
            yield Flaw(("low",), f"low = {self.low} is no threshold.", "Give a finite number.")
        if self.high is not None and not self.low < self.high:
            yield Flaw(("high",), f"low = {self.low} must lie below high = {self.high}.", "Or leave high out.")
        elif self.high is not None and not isfinite(self.high):
            yield Flaw(("high",), f"high = {self.high} is no threshold.", "Or leave high out.")


class Alarm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When the tier itself says that something is wrong: its output is at or above a threshold."""

    output: str
    """Name of the output that tells."""
    at_least: float
    """Values at or above mean an alarm."""

    def flaws(self, outputs: Mapping[str, Tensor]) -> Iterator[Flaw]:
        """Yield what makes the threshold impossible to apply."""
        yield from _flaws_of_float("output", self.output, outputs)
        if not isfinite(self.at_least):
            yield Flaw(("at_least",), f"at_least = {self.at_least} is no threshold.", "Give a finite number.")


class Variant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One precision and size of a tier's model: a file in the bundle, an artifact in the store."""

    name: Name
    """What tells it apart within its tier."""
    precision: Precision
    """Numbers that its weights are stored in."""
    format: Format = "onnx"
    """Which executor runs it."""
    names: dict[Label, Label] = {}
    """What the graph calls a tensor of the manifest, where the two differ."""
    file: Annotated[str, Meta(min_length=1, max_length=255, pattern=ONE_LINE)]
    """Path of the artifact in the bundle, relative to the manifest."""
    artifact: Sha256
    """Hash of the file: the artifact's name in every store."""
    pieces: Sha256 | None = None
    """Root of the piece map: lets every piece be checked as it comes from a peer. None: it is fetched from nobody."""
    size_bytes: Positive
    """Size of the file."""
    macs: Count
    """Multiply-accumulates of one item."""
    compression: Note = ""
    """What was done to its parent to make it, with the tool and its version."""
    parent: Sha256 | None = None
    """The artifact that it was made from."""
    accuracy: dict[Label, float] = {}
    """Metrics by name, such as balanced_accuracy: what evaluation says they were measured on."""
    evaluation: Evaluation | None = None
    """What the accuracy was measured on."""
    costs: tuple[Cost, ...] = ()
    """What a run takes, on each device where it was measured or predicted."""
    hardware: tuple[Provider, ...] = ("cpu",)
    """Execution providers that it was made for, best first."""
    split: Split | None = None
    """Where it may be cut, so that several nodes run one request. None: nowhere."""

    def flaws(self, axes: Mapping[str, Axis]) -> Iterator[Flaw]:
        """Yield what is wrong with the file's path, the names, the figures and the cuts."""
        if self.split:
            yield from (flaw.below("split") for flaw in self.split.flaws(axes))
        if len({*self.names.values()}) < len(self.names):
            yield Flaw(("names",), "Two tensors have one name in the graph.", "Give each the name of its own.")
        if problem := path_flaw(self.file):
            yield Flaw(("file",), problem, "Name a file of the bundle by its relative path.")
        for metric, value in self.accuracy.items():
            if not isfinite(value):
                yield Flaw(("accuracy", metric), f"{metric} = {value} is no measurement.")
        for index, cost in enumerate(self.costs):
            yield from (flaw.below("costs", index) for flaw in cost.flaws())


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one class of devices says about the input, and when it passes the question on."""

    name: TierName
    """The weakest class of devices that it is meant for."""
    outputs: Annotated[tuple[Tensor, ...], Meta(min_length=1)]
    """What it answers: the same for each of its variants."""
    variants: Annotated[tuple[Variant, ...], Meta(min_length=1)]
    """Its files, best first: a node takes the first that it can run."""
    escalation: Escalation | None = None
    """When it passes the question on; never without."""
    alarm: Alarm | None = None
    """When its answer is an alarm; never without."""

    def calibrated_for(self, variant: Variant) -> bool:
        """Tell whether the escalation rule was shown to hold for this artifact; other weights void it."""
        return self.escalation is not None and self.escalation.bound.artifact == variant.artifact

    @property
    def calibrated(self) -> bool:
        """Tell whether at least one variant may be trusted to decide by the escalation rule."""
        return any(self.calibrated_for(variant) for variant in self.variants)

    def flaws(self, axes: Mapping[str, Axis]) -> Iterator[Flaw]:
        """Yield what is wrong in this tier."""
        yield from (f.below("outputs") for f in repeated((t.name for t in self.outputs), what="Output"))
        yield from (f.below("variants") for f in repeated((v.name for v in self.variants), what="Variant"))
        for index, output in enumerate(self.outputs):
            yield from (flaw.below("outputs", index) for flaw in output.flaws(axes))
        for index, variant in enumerate(self.variants):
            yield from (flaw.below("variants", index) for flaw in variant.flaws(axes))
        outputs = {output.name: output for output in self.outputs}
        if self.alarm:
            yield from (flaw.below("alarm") for flaw in self.alarm.flaws(outputs))
        if self.escalation:
            yield from (flaw.below("escalation") for flaw in self.escalation.flaws(outputs))


def _flaws_of_float(key: str, name: str, outputs: Mapping[str, Tensor]) -> Iterator[Flaw]:
    """Yield what is wrong when `key` names an output that a threshold will be held against."""
    output = outputs.get(name)
    if output is None:
        yield Flaw((key,), f"There is no output '{name}'.", closest(name, outputs))
    elif not output.dtype.startswith("float"):
        yield Flaw((key,), f"Output '{name}' is {output.dtype}; a threshold needs a float.")
