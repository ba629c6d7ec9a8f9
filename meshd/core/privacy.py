"""How far an input may travel. The sender asks before it sends, the receiver asks again before it looks."""

from __future__ import annotations

from collections.abc import Sequence

from meshd.core.node import DeviceClass, HostedStage
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


def why_not_send_activations(privacy: Privacy, receiver: DeviceClass, *, input_stays: bool) -> str | None:
    """Return the rule that forbids sending what crosses a cut; activations may be turned back into their input.

    Where the manifest keeps the input on its node, a cut that it opens is open to the household and to nobody else.
    """
    if input_stays and privacy is Privacy.PUBLIC:
        privacy = Privacy.HOUSEHOLD
    return why_not_send(privacy, receiver)


def open_cuts(stages: Sequence[HostedStage]) -> list[int]:
    """Return the stages before which the tensors that cross may leave a node, first to last."""
    return [number for number, stage in enumerate(stages[:-1], start=1) if stage.may_travel]
