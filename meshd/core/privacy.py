"""How far an input may travel. The sender asks before it sends, the receiver asks again before it looks."""

from __future__ import annotations

from meshd.core.node import DeviceClass
from meshd.core.request import Privacy


def why_not_send(privacy: Privacy, receiver: DeviceClass) -> str | None:
    """Return the rule that forbids sending a request's input to a paired peer of this class; none if it may go.

    Every peer in session is paired (its fingerprint is pinned), so only two rules remain.
    """
    if privacy is Privacy.DEVICE:
        return "privacy 'device': the input never leaves the node where it was born"
    if privacy is Privacy.HOUSEHOLD and receiver is DeviceClass.UPSTREAM:
        return "privacy 'household': the input never reaches an upstream"
    return None
