"""Everything that can happen to a scheduler. An event is a fact in the past; it never fails."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.answer import Answer
from meshd.core.ids import ArtifactHash, NodeId, RequestId
from meshd.core.node import HostedTier, NodeProfile, Telemetry, WarmStages
from meshd.core.plan import RAW
from meshd.core.request import Request


class _Event(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Base that makes the union taggable, so that a log of events can be read back."""


class RequestArrived(_Event, frozen=True, kw_only=True):
    """A client or a peer asks for an inference; its input was checked and is kept by the daemon."""

    request: Request


class RequestCancelled(_Event, frozen=True, kw_only=True):
    """The asker no longer wants an answer."""

    request_id: RequestId


class PlanChosen(_Event, frozen=True, kw_only=True):
    """A policy answered a ChoosePlan."""

    request_id: RequestId
    decision: int
    index: int
    policy: str
    is_steady: bool = False
    """Whether the policy would say the same of the same candidates again; then it need not be asked."""
    note: str = ""
    """What ``explain`` adds: why another rule chose in the policy's place, if one did."""


class StageFinished(_Event, frozen=True, kw_only=True):
    """A stage ran here."""

    request_id: RequestId
    attempt: int
    compute_s: float
    load_s: float
    score: float | None
    anomalous: bool | None
    malformed: bool
    items: int = 1
    """That were run in ``compute_s``: the request's, and those of others that ran with them."""
    out_bytes: int = 0
    """Bytes of what it gave, where that is to travel on: the tensors that cross behind the last of its stages."""


class StageFailed(_Event, frozen=True, kw_only=True):
    """A stage could not be run here."""

    request_id: RequestId
    attempt: int
    code: str
    message: str


class WarmedUp(_Event, frozen=True, kw_only=True):
    """A tier was loaded into this node's memory, and no request waited for it."""

    tier: HostedTier
    load_s: float


class PeerAnswered(_Event, frozen=True, kw_only=True):
    """A peer answered what was dispatched to it; ``transferred_bytes`` counts both directions."""

    request_id: RequestId
    attempt: int
    node_id: NodeId
    answer: Answer
    transferred_bytes: int
    telemetry: Telemetry | None
    sent_bytes: int = 0
    """What was sent, as it was encoded; with what it took raw it tells how well the codec does."""
    codec_s: float = 0.0
    """Seconds that encoding took here."""
    codec: str = RAW
    """How it was sent: raw too where a tensor had no form in the codec that was planned."""


class PeerRefused(_Event, frozen=True, kw_only=True):
    """A peer ended what was dispatched to it without an answer."""

    request_id: RequestId
    attempt: int
    node_id: NodeId
    code: str
    message: str
    telemetry: Telemetry | None


class PeerConnected(_Event, frozen=True, kw_only=True):
    """A session is open and the peer's capability document has come, the first or a newer one."""

    profile: NodeProfile
    telemetry: Telemetry


class PeerHeard(_Event, frozen=True, kw_only=True):
    """A heartbeat came; ``rtt_s`` when it was the echo of ours, which had ``probe_bytes`` behind it."""

    node_id: NodeId
    telemetry: Telemetry
    rtt_s: float | None = None
    probe_bytes: int = 0


class PeerDisconnected(_Event, frozen=True, kw_only=True):
    """A session ended; ``left`` when the peer said goodbye."""

    node_id: NodeId
    left: bool
    reason: str


class HostChanged(_Event, frozen=True, kw_only=True):
    """This node's own state was sampled."""

    warm: tuple[ArtifactHash, ...]
    battery_fraction: float | None
    charging: bool
    free_memory_bytes: int | None
    warm_stages: tuple[WarmStages, ...] | None = None


class ModelsChanged(_Event, frozen=True, kw_only=True):
    """What this node hosts has changed."""

    hosted: tuple[HostedTier, ...]


class DrainRequested(_Event, frozen=True, kw_only=True):
    """The node is about to stop: no new requests, those alive go on."""


class CommandFailed(_Event, frozen=True, kw_only=True):
    """What was commanded about a request met a defect of this node: nothing will come of it."""

    request_id: RequestId
    attempt: int | None = None
    """The one that was to run here; none: it was something else."""


class TimePassed(_Event, frozen=True, kw_only=True):
    """Nothing happened but time; due when ``Scheduler.next_deadline`` is."""


Event = (
    RequestArrived
    | RequestCancelled
    | PlanChosen
    | StageFinished
    | StageFailed
    | WarmedUp
    | PeerAnswered
    | PeerRefused
    | PeerConnected
    | PeerHeard
    | PeerDisconnected
    | HostChanged
    | ModelsChanged
    | DrainRequested
    | CommandFailed
    | TimePassed
)
