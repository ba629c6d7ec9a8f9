"""What a client asks for, without the tensors: core decides on sizes, the daemon keeps the bytes."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.node import DeviceClass
from meshd.core.plan import Partial


class Priority(StrEnum):
    """How urgent an answer is."""

    EMERGENCY = "emergency"
    NORMAL = "normal"
    BACKGROUND = "background"

    __hash__ = str.__hash__  # Enum's own is written in Python, and offers are looked up by it.


class Privacy(StrEnum):
    """How far the input may travel."""

    DEVICE = "device"
    """It never leaves this node."""
    HOUSEHOLD = "household"
    """It reaches paired nodes of this mesh only, and no upstream."""
    PUBLIC = "public"
    """An upstream may see it."""

    __hash__ = str.__hash__


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """One inference to answer. Immutable; its progress is kept in :class:`meshd.core.life.Life`."""

    request_id: RequestId
    model: ModelName
    input_bytes: int
    deadline_s: float
    """Seconds that were left when the request arrived here; not a point in time, for clocks differ."""
    batch: int = 1
    priority: Priority = Priority.NORMAL
    privacy: Privacy = Privacy.HOUSEHOLD
    min_tier: DeviceClass | None = None
    """No answer of a weaker tier is acceptable."""
    start_tier: DeviceClass | None = None
    """Set when a peer delegates: begin with this tier, here. A client leaves it out."""
    via: tuple[NodeId, ...] = ()
    """Nodes that have had the request before, oldest first; it never returns to one of them."""

    may_climb: bool = True
    """False when a peer wants the answer of the tier that it starts with, also one that asks for a larger tier: it is
    to be joined with others' answers, or judged by the peer itself. A client leaves it out."""

    partial: Partial | None = None
    """Set when a peer hands over the rest of a plan: the input is what crosses before its stages."""
    plan: str = ""
    """The place of the one candidate that the asker wants, as :attr:`meshd.core.candidate.Candidate.place` writes it;
    empty: whichever is best."""

    lossless: bool = False
    """Nothing of it travels in a codec that loses anything: the answer is the same, bit for bit, wherever it is run."""
    link_bytes: int = 0
    """What it took on the link that it came over, as it was encoded. 0: as many as it has."""

    @property
    def delegated(self) -> bool:
        """Tell whether a peer sent this request rather than a client."""
        return bool(self.via)
