"""Everything that a scheduler can ask of the world. A command is a wish; what comes of it returns as an event."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.answer import Outcome
from meshd.core.candidate import Observation
from meshd.core.ids import NodeId, RequestId, Word
from meshd.core.membership import Standing
from meshd.core.node import DeviceClass, HostedTier, Telemetry
from meshd.core.plan import RAW, Partial


class _Command(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Base that makes the union taggable, like the events."""


class ChoosePlan(_Command, frozen=True, kw_only=True):
    """Let the policy choose; answer with PlanChosen."""

    observation: Observation


class RunStage(_Command, frozen=True, kw_only=True):
    """Run a tier here on the request's input; answer with StageFinished or StageFailed.

    Where ``last`` is set only stages [first, last) are run, on what crosses before ``first``: the tensors of the
    attempt ``of``, or the request's own input where that is none.
    """

    request_id: RequestId
    attempt: int
    tier: HostedTier
    first: int = 0
    last: int | None = None
    of: int | None = None
    """The attempt whose tensors are the input; none: the request's."""


class RunBatch(_Command, frozen=True, kw_only=True):
    """Run a tier here once for several requests, whole; answer with StageFinished or StageFailed for each."""

    members: tuple[tuple[RequestId, int], ...]
    """Requests with the numbers of their attempts."""
    tier: HostedTier


class Fork(_Command, frozen=True, kw_only=True):
    """Open children of a request; each then lives like any request, and ends with a Finish of its own.

    The children of one fork share a batch between them (``items`` says how many each has, in order), or all have the
    whole input (``items`` is empty). The parent's Finish names the child whose outputs are the answer, or none: then
    the outputs of all are joined along the batch.
    """

    request_id: RequestId
    attempt: int
    children: tuple[RequestId, ...]
    items: tuple[int, ...] = ()


class WarmUp(_Command, frozen=True, kw_only=True):
    """Load a tier into this node's memory while nobody waits for it; answer with WarmedUp and HostChanged."""

    tier: HostedTier


class DropStage(_Command, frozen=True, kw_only=True):
    """The result of a stage is not wanted any more; its end must still be reported."""

    request_id: RequestId
    attempt: int


class Dispatch(_Command, frozen=True, kw_only=True):
    """Send the request to a peer; answer with PeerAnswered or PeerRefused, or let PeerDisconnected speak."""

    request_id: RequestId
    attempt: int
    node_id: NodeId
    start_tier: DeviceClass
    deadline_s: float
    """Seconds that the peer has."""
    via: tuple[NodeId, ...]
    codec: Word = RAW
    may_climb: bool = True
    """Whether the peer may have a larger tier look again."""
    partial: Partial | None = None
    """The rest of the plan: then the tensors of the attempt ``of`` are sent."""
    of: int | None = None
    """The attempt whose tensors are sent; none: the request's input."""


class Recall(_Command, frozen=True, kw_only=True):
    """Tell a peer that the answer is not wanted any more."""

    request_id: RequestId
    attempt: int
    node_id: NodeId


class Finish(_Command, frozen=True, kw_only=True):
    """The request's one outcome; an answer's tensors are those of ``attempt``.

    Where that attempt was a fork they are those of ``child``, or those of all its children, joined.
    """

    request_id: RequestId
    outcome: Outcome
    attempt: int | None
    child: RequestId | None = None


class Announce(_Command, frozen=True, kw_only=True):
    """Send this telemetry to all peers in session."""

    telemetry: Telemetry
    probed: NodeId | None = None
    """A peer that gets another heartbeat with ``probe_bytes`` behind it: its echo tells how fast the link is."""
    probe_bytes: int = 0


class StandingChanged(_Command, frozen=True, kw_only=True):
    """Tell whoever cares that a peer's standing became another."""

    node_id: NodeId
    standing: Standing


Command = (
    ChoosePlan
    | RunStage
    | RunBatch
    | WarmUp
    | Fork
    | DropStage
    | Dispatch
    | Recall
    | Finish
    | Announce
    | StandingChanged
)
