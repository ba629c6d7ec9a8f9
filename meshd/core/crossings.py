"""How many bytes cross between the stages of a variant: they grow with the length of an input where that is dynamic."""

from __future__ import annotations

from collections import OrderedDict

from meshd.core.ids import ArtifactHash
from meshd.core.node import HostedTier

_MOST_KNOWN = 512
"""Artifacts times cuts; the one that was learned longest ago is forgotten first."""


class Crossings:
    """What was seen to cross for each byte of a request's input, and what is expected where nothing was seen."""

    def __init__(self) -> None:
        self.version = 0
        self._per_byte: OrderedDict[tuple[ArtifactHash, int], float] = OrderedDict()

    def bytes_before(self, hosted: HostedTier, stage: int, *, input_bytes: int, items: int) -> float:
        """Return the bytes of what crosses before a stage: as learned, or as announced for the smallest input.

        Until something was learned they are taken to grow with the input. 0 ``input_bytes``: those are not known.
        """
        known = self._per_byte.get((hosted.artifact, stage))
        if known is not None and input_bytes:
            return known * input_bytes
        announced = hosted.stages[stage - 1].out_bytes * items
        smallest = hosted.input_bytes * items
        return announced * max(1.0, input_bytes / smallest) if smallest else float(announced)

    def learn(self, hosted: HostedTier, stage: int, *, out_bytes: int, input_bytes: int) -> None:
        """Take in what crossed before a stage for one input; lengths hardly change what a byte gives."""
        key, per_byte = (hosted.artifact, stage), out_bytes / max(input_bytes, 1)
        if self._per_byte.get(key) != per_byte:
            self._per_byte[key] = per_byte
            self.version += 1
        self._per_byte.move_to_end(key)
        if len(self._per_byte) > _MOST_KNOWN:
            self._per_byte.popitem(last=False)
