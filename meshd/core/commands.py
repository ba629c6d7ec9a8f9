"""Everything that a scheduler can ask of the world. A command is a wish; what comes of it returns as an event."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.answer import Outcome
from meshd.core.candidate import Observation
from meshd.core.ids import NodeId, RequestId
from meshd.core.membership import Standing
from meshd.core.node import DeviceClass, HostedTier, Telemetry


class _Command(Struct, frozen=True, kw_only=True, tag=True):
    """Base that makes the union taggable, like the events."""


class ChoosePlan(_Command, frozen=True, kw_only=True):
    """Let the policy choose; answer with PlanChosen."""

    observation: Observation


class RunStage(_Command, frozen=True, kw_only=True):
    """Run a tier here on the request's input; answer with StageFinished or StageFailed."""

    request_id: RequestId
    attempt: int
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


class Recall(_Command, frozen=True, kw_only=True):
    """Tell a peer that the answer is not wanted any more."""

    request_id: RequestId
    attempt: int
    node_id: NodeId


class Finish(_Command, frozen=True, kw_only=True):
    """The request's one outcome; an answer's tensors are those of ``attempt``."""

    request_id: RequestId
    outcome: Outcome
    attempt: int | None


class Announce(_Command, frozen=True, kw_only=True):
    """Send this telemetry to all peers in session."""

    telemetry: Telemetry


class StandingChanged(_Command, frozen=True, kw_only=True):
    """Tell whoever cares that a peer's standing became another."""

    node_id: NodeId
    standing: Standing


Command = ChoosePlan | RunStage | DropStage | Dispatch | Recall | Finish | Announce | StandingChanged
