"""What nodes send to one another."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.answer import Outcome
from meshd.core.ids import RequestId
from meshd.core.node import NodeProfile, Telemetry
from meshd.core.request import Request


class Met(Struct, frozen=True, kw_only=True, gc=False):
    """Who the sender is and how it is: the first word of a session."""

    profile: NodeProfile
    telemetry: Telemetry


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """A request, or the rest of a plan, with its tensors."""

    request: Request
    decode_s: float = 0.0
    """What undoing the encoding takes the receiver."""


class Told(Struct, frozen=True, kw_only=True, gc=False):
    """How what was asked ended, with the tensors of an answer."""

    request_id: RequestId
    outcome: Outcome
    telemetry: Telemetry | None


class Withdrawn(Struct, frozen=True, kw_only=True, gc=False):
    """The answer is not wanted any more."""

    request_id: RequestId


Mail = Met | Asked | Told | Withdrawn
