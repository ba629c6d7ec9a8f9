"""What loading models takes on one node, and what requests have lost there for want of models in its memory."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash
from meshd.core.node import HostedTier

_Part = tuple[ArtifactHash, int, int]
"""Stages [first, last) of a variant."""


class Loading(Struct, kw_only=True):
    """Of every variant that a node hosts."""

    seconds: dict[_Part, Estimate] = {}
    """As measured."""
    forgone: dict[ArtifactHash, float] = {}
    """Joules of cost that requests have lost since it was loaded last, for it was cold."""

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
