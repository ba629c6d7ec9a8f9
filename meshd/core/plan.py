"""The parts of a plan: which node runs which stages, or which items of a batch.

A variant that can be cut is a row of stages; a leg is a half-open range of them on one node. What crosses between two
legs are the tensors of the cut between them.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from meshd.core.ids import HumanName, NodeId, SaidArtifact, SaidNode, Word
from meshd.core.node import Seconds

MOST_STAGES = 16
"""A variant is cut at five places at most where splitting was measured; a manifest may name a few more."""
MOST_LEGS = 4
RAW: Final = "raw"
"""The codec that leaves tensors as they are."""

StageNumber = Annotated[int, Meta(ge=0, le=MOST_STAGES)]


class Leg(Struct, frozen=True, kw_only=True, gc=False):
    """Stages [first, last) on one node."""

    node_id: SaidNode
    node: HumanName
    first: StageNumber
    last: StageNumber
    codec: Word = RAW
    """How the tensors travel to this node; meaningless for the first leg of a plan that starts here."""
    compute_s: Seconds = 0.0
    """Predicted."""
    transfer_s: Seconds = 0.0
    """Predicted, for the way to this node: encoding and decoding included."""


class Share(Struct, frozen=True, kw_only=True, gc=False):
    """Some consecutive items of a batch on one node."""

    node_id: NodeId
    node: HumanName
    items: Annotated[int, Meta(ge=1, le=2**31)]
    codec: Word = RAW
    seconds: Seconds = 0.0
    """Predicted, from now until its outputs are here."""
    transfer_s: Seconds = 0.0
    """Of these, on the link."""


class Partial(Struct, frozen=True, kw_only=True):
    """What is left of a plan that has begun elsewhere: its input are the tensors that cross before ``legs[0]``."""

    artifact: SaidArtifact
    """Of the whole variant: stages of another one would fit in shape and differ in meaning."""
    legs: Annotated[tuple[Leg, ...], Meta(min_length=1, max_length=MOST_LEGS)]
    """The first is the receiver's own."""
