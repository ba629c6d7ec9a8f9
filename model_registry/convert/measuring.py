"""Every candidate tried in a process of its own, held against the others' answers, and timed beside them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from model_registry.admission.admit import admit
from model_registry.admission.admitted import Admitted
from model_registry.advice.device import computes_in_integers
from model_registry.convert.comparison import Comparison
from model_registry.convert.digest import digest
from model_registry.convert.draft import Draft
from model_registry.convert.errors import NotApplicable
from model_registry.convert.limits import LIMITS
from model_registry.convert.processor import processor_name
from model_registry.convert.progress import Progress
from model_registry.convert.sweep import Made, NotMade
from model_registry.convert.trial import Latency, Trial, side_by_side
from model_registry.convert.yardstick import Arithmetic, yardstick
from model_registry.errors import Refused
from model_registry.measured import Cost
from model_registry.pieces import PieceMap
from model_registry.tensor import Tensor
from model_registry.tier import Format, Precision, Tier, Variant

_YARDSTICK_OUTPUT = Tensor(name="output", dtype="float32", shape=(1, 1000))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A variant that was made and loads; what it costs is not known yet."""

    name: str
    precision: Precision
    format: Format
    path: Path
    compression: str
    parent: str
    macs: int
    trial: Trial

    @property
    def artifact(self) -> str:
        """Return its SHA-256."""
        return digest(self.path)

    def variant(self) -> Variant:
        """Return what a manifest says of it without figures."""
        with self.path.open("rb") as stream:
            pieces = PieceMap.of(stream)
        return Variant(
            name=self.name,
            precision=self.precision,
            format=self.format,
            file=f"artifacts/{self.path.name}",
            artifact=self.artifact,
            pieces=pieces.root,
            size_bytes=pieces.size_bytes,
            macs=self.macs,
            compression=self.compression,
            parent=self.parent,
        )


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How all candidates of one sweep are measured."""

    draft: Draft
    comparison: Comparison
    today: dt.date
    seconds_each: float

    def take(self, candidates: Sequence[Candidate], progress: Progress) -> tuple[tuple[Made, ...], tuple[NotMade, ...]]:
        """Return what was measured of each, and what fell out on the way; the first may not.

        Raises:
            NotApplicable: the answers of the first are unusable.
            Refused: the first would be refused by every node.

        """
        kept: list[tuple[Candidate, Variant, Admitted]] = []
        fallen: list[NotMade] = []
        for candidate in candidates:
            try:
                variant = self._judged(candidate, progress)
                kept.append((candidate, variant, self._admitted(candidate, variant, progress)))
            except (NotApplicable, Refused) as error:
                if candidate is candidates[0]:
                    raise
                candidate.path.unlink()
                fallen.append(NotMade(name=candidate.name, reason=str(error)))
        progress.begin("timing all of them side by side", 1)
        costs = self._costs(kept)
        made = (
            Made(variant=msgspec.structs.replace(variant, costs=(cost,)), load_s=admitted.load_s)
            for (_, variant, admitted), cost in zip(kept, costs, strict=True)
        )
        return tuple(made), tuple(fallen)

    def _judged(self, candidate: Candidate, progress: Progress) -> Variant:
        progress.begin(f"measuring the accuracy of {candidate.name}", self.comparison.evaluation.items)
        accuracy, evaluation = self.comparison.measure(candidate.trial, progress.advance)
        return msgspec.structs.replace(candidate.variant(), accuracy=accuracy, evaluation=evaluation)

    def _admitted(self, candidate: Candidate, variant: Variant, progress: Progress) -> Admitted:
        progress.begin(f"trying {candidate.name} at the largest input", 1)
        tier = Tier(name="hub", outputs=self.draft.outputs, variants=(variant,))
        return admit(candidate.path.read_bytes(), self.draft.manifest((tier,), unsigned=True), tier, variant, LIMITS)

    def _costs(self, kept: Sequence[tuple[Candidate, Variant, Admitted]]) -> list[Cost]:
        """Time one run of each in turn, and of a network that every device class knows the time of."""
        one = self.comparison.evaluation.one()
        yards = {arithmetic: _yardstick(arithmetic) for arithmetic in get_args(Arithmetic)}
        latencies = side_by_side(
            [*(candidate.trial for candidate, _, _ in kept), *(trial for trial, _ in yards.values())],
            [*([one] * len(kept)), *(inputs for _, inputs in yards.values())],
            seconds_each=self.seconds_each,
        )
        took = dict(zip(yards, latencies[len(kept) :], strict=True))
        return [
            self._cost(candidate, admitted, latency, took)
            for (candidate, _, admitted), latency in zip(kept, latencies[: len(kept)], strict=True)
        ]

    def _cost(
        self, candidate: Candidate, admitted: Admitted, latency: Latency, yards: Mapping[Arithmetic, Latency]
    ) -> Cost:
        items = self.comparison.items_of_one
        arithmetic: Arithmetic = "int8" if computes_in_integers(candidate.precision) else "fp32"
        return Cost(
            device=processor_name(),
            p50_ms=latency.p50_ms / items,
            p99_ms=latency.p99_ms / items,
            peak_memory_bytes=admitted.process_peak_bytes,
            # The yardstick ran in onnxruntime and says nothing about another runtime.
            yardstick_ms=yards[arithmetic].p50_ms if candidate.format == "onnx" else None,
            source="meshd models import: one thread, all variants in turn",
            measured=self.today,
        )


def _yardstick(arithmetic: Arithmetic) -> tuple[Trial, dict[str, NDArray[np.float32]]]:
    trial = Trial(yardstick(arithmetic), "onnx", (_YARDSTICK_OUTPUT,))
    return trial, {"input": np.zeros((1, 3, 224, 224), np.float32)}
