"""What loading models takes on one node, and what requests have lost there for want of models in its memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash
from meshd.core.node import HostedTier

_PATIENCE = 4.0
"""Times what loading is expected to take that it is waited for: threads may be busy, and files cold."""

_LEAST_S = 10.0
_LONGEST_S = 3_600.0
"""A model that could not be loaded is asked for again after so long at least, then twice as long each time, up to this:
memory may be free by then, or its file mended."""

_Part = tuple[ArtifactHash, int, int]
"""Stages [first, last) of a variant."""


class _Asked(NamedTuple):
    """A load in the background that has not ended, or has failed."""

    until_s: float
    """When it is asked for again, if it is worth it then."""
    lasts_s: float


class Loading(Struct, kw_only=True):
    """Of every variant that a node hosts."""

    seconds: dict[_Part, Estimate] = {}
    """As measured."""
    forgone: dict[ArtifactHash, float] = {}
    """Joules of cost that requests have lost since it was loaded last, for it was cold."""
    asked: dict[ArtifactHash, _Asked] = {}
    """What is loaded in the background."""

    def cold_s(self, hosted: HostedTier, first: int, last: int) -> float:
        """Return what loading stages [first, last) takes: as measured, or what was announced of the whole."""
        known = self.seconds.get((hosted.artifact, first, last))
        return known.mean if known is not None else hosted.load_s

    def is_measured(self, hosted: HostedTier, first: int, last: int) -> bool:
        """Tell whether :meth:`cold_s` was measured."""
        return (hosted.artifact, first, last) in self.seconds

    def took(self, hosted: HostedTier, first: int, last: int, load_s: float, now: float) -> float:
        """Take in what loading took once; return what it is believed to take."""
        part = hosted.artifact, first, last
        known = self.seconds[part] = (self.seconds.get(part) or Estimate.prior(load_s, now)).updated(load_s, now)
        return known.mean

    def is_under_way(self, artifact: ArtifactHash, now: float) -> bool:
        """Tell whether a load in the background may still come, or failed too lately to be tried again."""
        asked = self.asked.get(artifact)
        return asked is not None and now < asked.until_s

    def ask(self, artifact: ArtifactHash, load_s: float, now: float) -> None:
        """Note that it is loaded in the background from now on."""
        before = self.asked.get(artifact)
        lasts_s = max(_LEAST_S, _PATIENCE * load_s) if before is None else min(2.0 * before.lasts_s, _LONGEST_S)
        self.asked[artifact] = _Asked(until_s=now + lasts_s, lasts_s=lasts_s)

    def came(self, artifacts: Iterable[ArtifactHash]) -> None:
        """Note what is in memory."""
        if self.asked:
            for artifact in artifacts:
                self.asked.pop(artifact, None)

    def forgo(self, artifact: ArtifactHash, joules: float) -> float:
        """Take in what one request lost; return what all of them have."""
        lost = self.forgone[artifact] = self.forgone.get(artifact, 0.0) + joules
        return lost

    def made_up(self, artifact: ArtifactHash) -> bool:
        """Begin to count anew: it is loaded. Tell whether anything was counted."""
        return self.forgone.pop(artifact, None) is not None

    def keep(self, hosted: Iterable[HostedTier]) -> None:
        """Let go of what is hosted no longer."""
        artifacts = {tier.artifact for tier in hosted}
        self.seconds = {part: known for part, known in self.seconds.items() if part[0] in artifacts}
        self.forgone = {artifact: lost for artifact, lost in self.forgone.items() if artifact in artifacts}
        self.asked = {artifact: asked for artifact, asked in self.asked.items() if artifact in artifacts}
