"""How two files of the same model compare in bytes and in time, measured in one run."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from numpy.typing import NDArray

from model_registry.convert.axes import item_extents
from model_registry.convert.drafting import Wishes, draft
from model_registry.convert.noise import noise
from model_registry.convert.readers.reading import read
from model_registry.convert.readers.reading_options import ReadingOptions
from model_registry.convert.trial import Trial, side_by_side
from model_registry.tensor import Axis

Array = NDArray[Any]
SECONDS_EACH = 3.0


class Ratio(Struct, frozen=True, kw_only=True):
    """A variant against the file it is compared with; below 1 it is the smaller or the faster one."""

    baseline_bytes: int
    variant_bytes: int
    baseline_p50_ms: float
    variant_p50_ms: float

    @property
    def size(self) -> float:
        """Return how many times as large the variant is."""
        return self.variant_bytes / self.baseline_bytes

    @property
    def latency(self) -> float:
        """Return how many times as long the variant takes."""
        return self.variant_p50_ms / self.baseline_p50_ms


def measure_ratio(
    baseline: Path, variant: Path, *, axes: Mapping[str, Axis] | None = None, seconds_each: float = SECONDS_EACH
) -> Ratio:
    """Run one item through both in turn, with one thread; other axes than the batch are as long as they may be.

    Raises:
        ModelRefused: a file cannot be read, or an axis has no bounds.
        NotApplicable: one of them does not run.

    """
    trials, inputs = zip(*(_trial(path, axes or {}) for path in (baseline, variant)), strict=True)
    theirs, ours = side_by_side(trials, inputs, seconds_each=seconds_each)
    return Ratio(
        baseline_bytes=baseline.stat().st_size,
        variant_bytes=variant.stat().st_size,
        baseline_p50_ms=theirs.p50_ms,
        variant_p50_ms=ours.p50_ms,
    )


def _trial(path: Path, axes: Mapping[str, Axis]) -> tuple[Trial, dict[str, Array]]:
    """Return a file ready to run and its inputs: quantised files may take another type than those in float32."""
    with tempfile.TemporaryDirectory() as scratch:
        imported = read(path, Path(scratch), ReadingOptions())
        drafted = draft(imported, Wishes(axes=axes), today=dt.datetime.now(dt.UTC).date())
    inputs = noise(drafted.inputs, item_extents(drafted.axes), seed=0)
    return Trial(path.read_bytes(), imported.format, drafted.outputs), inputs
