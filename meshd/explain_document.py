"""The document that ``meshd explain`` prints: why a request went where it went, and what came of it.

Durations are seconds and energies joules, as everywhere; none stands for "not known" or "not applicable".
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from meshd.core.answer import Energy, Hop, Timings
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.node import DeviceClass
from meshd.core.plan import RAW
from meshd.core.request import Priority, Privacy
from meshd.core.settings import Settings
from meshd.weighed import Weighed


class ExplainedLeg(Struct, frozen=True, kw_only=True):
    """Some consecutive stages of the model on one node."""

    node_id: NodeId
    node: str
    first: int
    last: int
    """Stages [first, last)."""
    codec: str
    """How the tensors were to travel to it; ``raw`` where they are not encoded, or begin there."""
    actual_codec: str | None = None
    """How they did; none where it did not come to that. ``raw`` too where they had no form in the codec."""
    predicted_compute_s: float
    predicted_transfer_s: float
    """For the way to this node, encoding and decoding included."""
    actual_compute_s: float | None = None
    """None where it did not come to that."""
    actual_transfer_s: float | None = None
    """Of the way to this node and back; None where it did not come to that."""


class ExplainedShare(Struct, frozen=True, kw_only=True):
    """Some items of the batch on one node."""

    node_id: NodeId
    node: str
    items: int
    codec: str
    predicted_s: float
    """From the decision until its outputs are back."""
    actual_compute_s: float | None = None
    """None where it did not come to that."""


class ExplainedCandidate(Weighed, frozen=True, kw_only=True):
    """A way to run the request that was weighed."""

    plan: str
    """For example ``hub tier on kitchen``."""
    node_id: NodeId
    allowed: bool
    predicted_s: float | None
    """What waiting, loading, computing, sending and handling leave of it is a likely escalation."""
    predicted_joules: float | None
    rate_assumed: bool = False
    """Whether a link that it goes over was never measured: ``transfer_s`` is what classes are known for."""
    codec: str = RAW
    """How the input was to travel to a peer that runs it whole."""
    actual_codec: str | None = None
    """How it did; none where it did not come to that. ``raw`` too where it had no form in the codec."""
    legs: tuple[ExplainedLeg, ...] = ()
    """Stages over several nodes, in order; empty where one node runs it whole."""
    shares: tuple[ExplainedShare, ...] = ()
    """Items of the batch over several nodes; empty where one node runs them all."""


class ExplainedWait(Struct, frozen=True, kw_only=True):
    """That a request was made to wait for a cheaper moment."""

    at_most_s: float
    waited_s: float | None
    """None while it waits, and where it ended before that was over."""
    ended_by: str
    """What ended it, for a person."""


class ExplainedDecision(Struct, frozen=True, kw_only=True):
    """One choice: at the start, and again after each escalation or failure."""

    decision: int
    remaining_s: float
    candidates: tuple[ExplainedCandidate, ...]
    chosen: int | None
    """Index into the candidates; none when nothing was allowed, or it was to wait."""
    policy: str
    note: str = ""
    wait: ExplainedWait | None = None
    """Set where the policy would rather choose later."""
    weighed_ago_s: float = 0.0
    """How long before this its candidates had been weighed, for another request that asked the same; 0: for this."""


class ExplainDocument(Struct, frozen=True, kw_only=True):
    """Why one request went where it went, and what came of it."""

    request_id: RequestId
    model: ModelName
    deadline_s: float
    priority: Priority
    privacy: Privacy
    min_tier: DeviceClass | None
    input_bytes: int
    batch: int = 1
    """Items."""
    plan: str = ""
    """The one plan that the client asked for; empty: whichever is best."""
    lossless: bool = False
    """Whether the client forbade codecs that lose anything."""
    first_stage: int = 0
    """Where this node began: behind stages that ran elsewhere, if it is not 0."""
    outcome: Literal["alive", "answered", "degraded", "failed"]
    code: str | None
    """Of :mod:`meshd.errors`, when it failed."""
    message: str | None
    decisions: tuple[ExplainedDecision, ...]
    tier: DeviceClass | None
    score: float | None
    escalations: int
    route: tuple[Hop, ...]
    timings: Timings | None
    energy: Energy | None
    settings: Settings = Settings()
    """The prices by which costs were weighed."""
    parts: tuple[ExplainDocument, ...] = ()
    """Stories of the shares of its batch, or of the two nodes that an emergency ran on at once."""
