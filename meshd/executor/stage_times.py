"""How long each stage of a variant takes here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

from msgspec import Struct

from meshd.executor.median_window import MedianWindow
from model_registry.split import Split


class Timing(Struct, frozen=True, kw_only=True):
    """Seconds that a stage takes for one item."""

    seconds: float
    measured: bool
    """False while the figure is the manifest's share of the whole."""
    growth: tuple[float, ...] = ()
    """How many times as long it takes of the longer inputs that the model was timed with; empty: as the whole."""


class StageTimes:
    """Median seconds of every stage, learnt from its profile and from runs of whatever range it was part of."""

    def __init__(self, shares: Sequence[float]) -> None:
        """Begin with the share of the whole's time that each stage takes."""
        self._shares = tuple(shares)
        self._windows = tuple(MedianWindow() for _ in shares)
        self._growth: list[tuple[float, ...]] = [()] * len(self._shares)

    @classmethod
    def of(cls, split: Split) -> StageTimes:
        """Begin with what the manifest says."""
        ends = (0.0, *(cut.work for cut in split.cuts), 1.0)
        return cls([max(behind - before, 0.0) for before, behind in pairwise(ends)])

    def timings(self, whole_s: float) -> tuple[Timing, ...]:
        """Return what every stage takes where the whole takes ``whole_s``, by the latest runs."""
        return self._timings([window.median() for window in self._windows], whole_s)

    def careful(self, whole_s: float) -> tuple[Timing, ...]:
        """Return the same as it was measured with care, where it was."""
        return self._timings([window.careful() for window in self._windows], whole_s)

    def range_s(self, first: int, last: int, whole_s: float) -> float:
        """Return what stages [first, last) take together."""
        return sum(timing.seconds for timing in self.timings(whole_s)[first:last])

    def adopt(self, stage: int, seconds: float, growth: tuple[float, ...] = ()) -> None:
        """Start from what was measured of a stage by itself."""
        self._windows[stage].calibrate(seconds)
        self._growth[stage] = growth

    def learn(self, first: int, last: int, item_s: float, whole_s: float, *, now_s: float) -> None:
        """Take a run of stages [first, last) into account: each had its usual part of it."""
        usual = [timing.seconds for timing in self.timings(whole_s)[first:last]]
        if not isfinite(sum(usual)) or not sum(usual):
            usual = [share or 1e-9 for share in self._shares[first:last]]
        for window, seconds in zip(self._windows[first:last], usual, strict=True):
            window.add(item_s * seconds / sum(usual), now_s)

    def _timings(self, stages_s: Sequence[float | None], whole_s: float) -> tuple[Timing, ...]:
        return tuple(
            Timing(seconds=share * whole_s if seconds is None else seconds, measured=seconds is not None, growth=growth)
            for share, seconds, growth in zip(self._shares, stages_s, self._growth, strict=True)
        )
