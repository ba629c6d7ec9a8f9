"""Which requests are let in."""

from __future__ import annotations

from meshd import errors
from meshd.core.answer import Failure
from meshd.core.node import DeviceClass
from meshd.core.privacy import why_not_send
from meshd.core.refusal import failure
from meshd.core.request import Request


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
