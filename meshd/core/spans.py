"""How long any range of a variant's stages takes on one node: measured, or as announced at the node's pace."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import accumulate

from msgspec import Struct

from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.noticed import Noticed

_MEASURED_SPREAD = 0.15
"""Relative standard deviation of a sum of stages that the node itself has measured, one by one."""
_BELIEVED_SPREAD = 0.5
"""The same of a share of the whole that only the manifest tells."""

_NOTICED = 0.02
"""Tables are drawn anew when a figure has moved by so much of itself; what is measured of one run scatters by more."""

_LEAST_ANNOUNCED_S = 1e-9
"""No stage takes less than a few cycles: a node that announces less would make its pace, and what is computed with it,
larger than any float."""

_Variant = tuple[ArtifactHash, DeviceClass, int]
"""One artifact may serve several tiers, and be announced anew with other stages: what is known is known of exactly so
many of them."""


MOST_OF_A_RUN = 6.0
"""Times what was predicted that one run counts for: it may have met a pause of its process. Two in a row mean it. Every
other run of a node with a fifth of a core takes five times as long, and that has to count."""

_MOST_TABLES = 32
"""Lengths of input that tables are kept of for one variant."""


class Spans(Struct, frozen=True, kw_only=True, gc=False):
    """Means for one item of one length; a range [first, last) stands at ``[first][last]``."""

    seconds: tuple[tuple[float, ...], ...]
    work: tuple[float, ...]
    """Share of the whole that lies before each stage, and behind the last: 0 to 1."""
    n_measured: tuple[int, ...]
    """Stages before each, and before the end, that the node itself has measured."""


class StageTimes:
    """What was learned of ranges of stages on one node, and the tables that are read off it."""

    def __init__(self) -> None:
        self.version = 0
        """Grows whenever a table is drawn anew; a decision in a large mesh asks for it a thousand times."""
        self._noticed = Noticed(share=_NOTICED)
        self._ranges: dict[tuple[_Variant, int, int], Estimate] = {}
        self._paces: dict[_Variant, Estimate] = {}
        self._tables: dict[_Variant, dict[float, Spans]] = {}

    @property
    def is_learned(self) -> bool:
        """Tell whether anything was learned."""
        return bool(self._paces or self._ranges)

    def spans(self, hosted: HostedTier, item_bytes: float = 0.0) -> Spans:
        """Return the means of all ranges of a variant that can be cut, for inputs of so many bytes an item."""
        item_bytes = item_bytes if hosted.sizes else 0.0
        tables = self._tables.get(_variant(hosted))
        if tables is None or len(tables) > _MOST_TABLES:
            tables = self._tables[_variant(hosted)] = {}
        table = tables.get(item_bytes)
        if table is None:
            table = tables[item_bytes] = self._computed(hosted, item_bytes)
        return table

    def deviation_s(self, hosted: HostedTier, first: int, last: int, now: float, item_bytes: float = 0.0) -> float:
        """Return the standard deviation of what [first, last) takes for one item."""
        if known := self._ranges.get((_variant(hosted), first, last)):
            return known.deviation(now) * _growth(hosted, first, last, item_bytes)
        table = self.spans(hosted, item_bytes)
        measured = table.n_measured[last] - table.n_measured[first] == last - first
        return table.seconds[first][last] * (_MEASURED_SPREAD if measured else _BELIEVED_SPREAD)

    def ran_whole(self, hosted: HostedTier, item_s: float, now: float) -> None:
        """Learn the node's pace from one run of the whole."""
        if hosted.stages:
            self._learn_pace(hosted, item_s, hosted.compute_s, now)

    def ran(  # noqa: PLR0917 - a range is two numbers, and the rest is as in every lesson
        self, hosted: HostedTier, first: int, last: int, item_s: float, now: float, item_bytes: float = 0.0
    ) -> bool:
        """Learn from one run of the stages [first, last), for inputs of any length; of a range it has not, nothing.

        Return whether that shows that they take something else now.
        """
        if not 0 <= first < last <= len(hosted.stages):
            return False
        item_s /= _growth(hosted, first, last, item_bytes)
        key = (_variant(hosted), first, last)
        known = self._ranges.get(key) or Estimate.prior(self.spans(hosted).seconds[first][last], now)
        announced_s = sum(stage.compute_s for stage in hosted.stages[first:last])
        self._learn_pace(hosted, item_s, announced_s, now)
        learned = self._ranges[key] = known.updated(item_s, now, at_most=MOST_OF_A_RUN)
        self._see(key[0], key, learned.mean)
        return learned.has_drifted

    def forget(self, hosted: HostedTier, now: float) -> None:
        """Let the pace go back to what is announced, and ranges to that at the pace, if nothing confirms them."""
        variant = _variant(hosted)
        pace = self._paces.get(variant)
        if pace is not None:
            pace = self._paces[variant] = pace.forgotten(now, 1.0)
            self._see(variant, variant, pace.mean)
        for key, known in self._ranges.items():
            if key[0] == variant:
                announced_s = sum(stage.compute_s for stage in hosted.stages[key[1] : key[2]])
                left = known.forgotten(now, announced_s * (pace.mean if pace is not None else 1.0))
                self._ranges[key] = left
                self._see(variant, key, left.mean)

    def forget_all(self) -> None:
        """Know nothing but what is announced."""
        self._ranges.clear()
        self._paces.clear()
        self._tables.clear()
        self._noticed.begin_anew()
        self.version += 1

    def keep(self, hosted: tuple[HostedTier, ...]) -> None:
        """Forget what is no longer hosted; what is announced of the rest may have changed."""
        kept = {_variant(tier) for tier in hosted}
        self._ranges = {key: known for key, known in self._ranges.items() if key[0] in kept}
        self._paces = {variant: pace for variant, pace in self._paces.items() if variant in kept}
        self._tables.clear()
        self._noticed.begin_anew()
        self.version += 1

    def _learn_pace(self, hosted: HostedTier, item_s: float, announced_s: float, now: float) -> None:
        variant = _variant(hosted)
        if announced_s > 0.0:
            known = self._paces.get(variant) or Estimate.prior(1.0, now)
            paced = item_s / max(announced_s, _LEAST_ANNOUNCED_S)
            pace = self._paces[variant] = known.updated(paced, now, at_most=MOST_OF_A_RUN)
            self._see(variant, variant, pace.mean)

    def _see(self, variant: _Variant, name: Hashable, figure: float) -> None:
        """Have the tables of a variant drawn anew if a figure has moved far enough."""
        if self._noticed.saw(name, figure, least=0.0):
            self._tables.pop(variant, None)
            self.version += 1

    def _computed(self, hosted: HostedTier, item_bytes: float) -> Spans:
        """Return the table: a range that was run by what it took, any other by its stages at the node's pace."""
        variant = _variant(hosted)
        pace = self._paces.get(variant)
        factor = pace.mean if pace is not None else 1.0
        growth = [hosted.stage_growth_at(stage, item_bytes) for stage in range(len(hosted.stages))]
        stages_s = [stage.compute_s * factor * times for stage, times in zip(hosted.stages, growth, strict=True)]
        before_s = [0.0]
        for stage_s in stages_s:
            before_s.append(before_s[-1] + stage_s)
        n_stages, whole_s = len(stages_s), before_s[-1]
        rows = tuple(
            tuple(
                self._known(hosted, first, last, item_bytes, before_s[last] - before_s[first])
                for last in range(n_stages + 1)
            )
            for first in range(n_stages)
        )
        work = tuple(part_s / whole_s if whole_s > 0.0 else k / n_stages for k, part_s in enumerate(before_s))
        n_measured = (0, *accumulate(stage.measured for stage in hosted.stages))
        return Spans(seconds=rows, work=work, n_measured=n_measured)

    def _known(self, hosted: HostedTier, first: int, last: int, item_bytes: float, else_s: float) -> float:
        known = self._ranges.get((_variant(hosted), first, last))
        return max(0.0, else_s) if known is None else known.mean * _growth(hosted, first, last, item_bytes)


def _growth(hosted: HostedTier, first: int, last: int, item_bytes: float) -> float:
    """Return how many times as long as of the smallest input stages take, by the part of each in it."""
    if not hosted.sizes:
        return 1.0
    stages_s = [stage.compute_s for stage in hosted.stages[first:last]]
    if sum(stages_s) <= 0.0:
        return hosted.growth_at(item_bytes)
    longer_s = [seconds * hosted.stage_growth_at(first + k, item_bytes) for k, seconds in enumerate(stages_s)]
    return sum(longer_s) / sum(stages_s)


def _variant(hosted: HostedTier) -> _Variant:
    return hosted.artifact, hosted.tier, len(hosted.stages)
