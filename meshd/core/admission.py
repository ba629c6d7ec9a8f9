"""Which requests are let in."""

from __future__ import annotations

from meshd import errors
from meshd.core.answer import Failure
from meshd.core.node import DeviceClass
from meshd.core.privacy import why_not_send
from meshd.core.refusal import failure
from meshd.core.request import Request
from meshd.core.settings import Settings

_OWN_SHARE = 4
"""One place in so many is kept for this node's own clients, so that no peer can shut them out."""


def room_for(request: Request, settings: Settings, *, alive: int) -> int:
    """Return how many more requests of this one's origin may be alive; none or less when it is one too many."""
    kept = settings.max_requests // _OWN_SHARE if request.delegated else 0
    return settings.max_requests - kept - alive


def why_not_admit(request: Request, own_class: DeviceClass, *, draining: bool, room: int) -> Failure | None:
    """Return the first rule that keeps a request out of this node, where ``room`` more may be alive."""
    if draining:
        return failure(errors.Draining, "this node is shutting down and takes no new requests")
    if not request.deadline_s > 0.0:  # also true for NaN
        return failure(errors.DeadlineExceeded, f"the deadline was past on arrival ({request.deadline_s:g} s)")
    if request.batch < 1:
        return failure(errors.InvalidInput, f"a batch of {request.batch} holds nothing to infer")
    if request.delegated and (rule := why_not_send(request.privacy, own_class)):
        return failure(errors.RefusedByPrivacy, f"{rule}; the sender should never have sent it")
    if room < 1:
        return failure(errors.Overloaded, "as many requests as this node takes are alive here already")
    return None
