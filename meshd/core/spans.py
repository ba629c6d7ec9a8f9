"""How long any range of a variant's stages takes on one node: measured, or as announced at the node's pace."""

from __future__ import annotations

from itertools import accumulate

from msgspec import Struct

from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash
from meshd.core.node import DeviceClass, HostedTier

_MEASURED_SPREAD = 0.15
"""Relative standard deviation of a sum of stages that the node itself has measured, one by one."""
_BELIEVED_SPREAD = 0.5
"""The same of a share of the whole that only the manifest tells."""

_LEAST_ANNOUNCED_S = 1e-9
"""No stage takes less than a few cycles: a node that announces less would make its pace, and what is computed with it,
larger than any float."""

_Variant = tuple[ArtifactHash, DeviceClass, int]
"""One artifact may serve several tiers, and be announced anew with other stages: what is known is known of exactly so
many of them."""


class Spans(Struct, frozen=True, kw_only=True, gc=False):
    """Means for one item; a range [first, last) stands at ``[first][last]``."""

    seconds: tuple[tuple[float, ...], ...]
    work: tuple[float, ...]
    """Share of the whole that lies before each stage, and behind the last: 0 to 1."""
    n_measured: tuple[int, ...]
    """Stages before each, and before the end, that the node itself has measured."""


class StageTimes:
    """What was learned of ranges of stages on one node, and the tables that are read off it."""

    def __init__(self) -> None:
        self.version = 0
        self._ranges: dict[tuple[_Variant, int, int], Estimate] = {}
        self._paces: dict[_Variant, Estimate] = {}
        self._tables: dict[_Variant, Spans] = {}

    def spans(self, hosted: HostedTier) -> Spans:
        """Return the means of all ranges of a variant that can be cut."""
        variant = _variant(hosted)
        table = self._tables.get(variant)
        if table is None:
            table = self._tables[variant] = self._computed(hosted)
        return table

    def deviation_s(self, hosted: HostedTier, first: int, last: int, now: float) -> float:
        """Return the standard deviation of what [first, last) takes for one item."""
        if known := self._ranges.get((_variant(hosted), first, last)):
            return known.deviation(now)
        table = self.spans(hosted)
        measured = table.n_measured[last] - table.n_measured[first] == last - first
        return table.seconds[first][last] * (_MEASURED_SPREAD if measured else _BELIEVED_SPREAD)

    def ran_whole(self, hosted: HostedTier, item_s: float, now: float) -> None:
        """Learn the node's pace from one run of the whole."""
        if hosted.stages:
            self._learn_pace(hosted, item_s, hosted.compute_s, now)

    def ran(self, hosted: HostedTier, first: int, last: int, item_s: float, now: float) -> None:
        """Learn from one run of the stages [first, last); of a range that it has not, nothing."""
        if not 0 <= first < last <= len(hosted.stages):
            return
        key = (_variant(hosted), first, last)
        known = self._ranges.get(key) or Estimate.prior(self.spans(hosted).seconds[first][last], now)
        announced_s = sum(stage.compute_s for stage in hosted.stages[first:last])
        self._learn_pace(hosted, item_s, announced_s, now)
        self._ranges[key] = known.updated(item_s, now)

    def keep(self, hosted: tuple[HostedTier, ...]) -> None:
        """Forget what is no longer hosted; what is announced of the rest may have changed."""
        kept = {_variant(tier) for tier in hosted}
        self._ranges = {key: known for key, known in self._ranges.items() if key[0] in kept}
        self._paces = {variant: pace for variant, pace in self._paces.items() if variant in kept}
        self._tables.clear()
        self.version += 1

    def _learn_pace(self, hosted: HostedTier, item_s: float, announced_s: float, now: float) -> None:
        variant = _variant(hosted)
        self._tables.pop(variant, None)
        self.version += 1
        if announced_s > 0.0:
            known = self._paces.get(variant) or Estimate.prior(1.0, now)
            self._paces[variant] = known.updated(item_s / max(announced_s, _LEAST_ANNOUNCED_S), now)

    def _computed(self, hosted: HostedTier) -> Spans:
        """Return the table: a range that was run by what it took, any other by its stages at the node's pace."""
        variant = _variant(hosted)
        pace = self._paces.get(variant)
        factor = pace.mean if pace is not None else 1.0
        stages_s = [stage.compute_s * factor for stage in hosted.stages]
        before_s = [0.0]
        for stage_s in stages_s:
            before_s.append(before_s[-1] + stage_s)
        n_stages, whole_s = len(stages_s), before_s[-1]
        rows = tuple(
            tuple(self._known(variant, first, last, before_s[last] - before_s[first]) for last in range(n_stages + 1))
            for first in range(n_stages)
        )
        work = tuple(part_s / whole_s if whole_s > 0.0 else k / n_stages for k, part_s in enumerate(before_s))
        n_measured = (0, *accumulate(stage.measured for stage in hosted.stages))
        return Spans(seconds=rows, work=work, n_measured=n_measured)

    def _known(self, variant: _Variant, first: int, last: int, else_s: float) -> float:
        known = self._ranges.get((variant, first, last))
        return known.mean if known is not None else max(0.0, else_s)


def _variant(hosted: HostedTier) -> _Variant:
    return hosted.artifact, hosted.tier, len(hosted.stages)
