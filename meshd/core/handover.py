"""What the receiver of the rest of a plan looks at before it takes it: the sender may be wrong, or hostile."""

from __future__ import annotations

from itertools import pairwise

from msgspec.structs import replace

from meshd import errors
from meshd.core.answer import Failure
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier, NodeProfile
from meshd.core.node_view import NodeView, short
from meshd.core.plan import Leg, Partial
from meshd.core.privacy import open_cuts, why_not_send_activations
from meshd.core.refusal import failure
from meshd.core.request import Privacy, Request


def tier_of(request: Request, partial: Partial, own: NodeProfile) -> HostedTier | None:
    """Return what this node hosts of the variant that the plan is for; none if it has another or none.

    One artifact may be that of several tiers, and of several models: what it says is judged by the manifest of each.
    """
    asked = (request.model, request.start_tier, partial.artifact)
    return next((h for h in own.hosted if (h.model, h.tier, h.artifact) == asked and h.stages), None)


def why_not_continue(request: Request, partial: Partial, own: NodeProfile, *, keeps_input: bool) -> Failure | None:
    """Return why this node does not go on with a plan that began elsewhere; none if it does.

    ``keeps_input`` tells whether a manifest here keeps the model's input on its node.
    """
    hosted = tier_of(request, partial, own)
    if hosted is None:
        told = f"this node hosts no parts of artifact {partial.artifact[:12]}, so the plan has no meaning here"
        return failure(errors.StageMismatch, told)
    if request.min_tier is not None and hosted.tier.rank < request.min_tier.rank:
        told = f"the plan is for tier {hosted.tier}, and the request asks for tier {request.min_tier} or above"
        return failure(errors.StageMismatch, told)
    if flaw := _flaw(partial.legs, hosted, own):
        return failure(errors.StageMismatch, flaw)
    return _why_private(partial, hosted, own, request.privacy, keeps_input=keeps_input)


def predicted_here(
    legs: tuple[Leg, ...], tier: HostedTier, view: MeshView, *, items: int, n_bytes: int
) -> tuple[Leg, ...]:
    """Return the legs of a plan with what this node predicts of them; what the sender says of them is only its word.

    ``n_bytes`` cross before the first, which is this node's own.
    """
    before, predicted = view.own, []
    item_bytes = tier.input_behind(legs[0].first, n_bytes / items)
    for leg in legs:
        node, hosted = _host(leg, tier, view)
        crossing = n_bytes * _bytes_before(leg, tier) / max(_bytes_before(legs[0], tier), 1)
        compute_s = node.times.spans(hosted, item_bytes).seconds[leg.first][leg.last] * items
        transfer_s = _way_s(before, node, tier, leg, view, n_bytes=crossing, items=items)
        predicted.append(replace(leg, compute_s=compute_s, transfer_s=transfer_s))
        before = node
    return tuple(predicted)


def _host(leg: Leg, tier: HostedTier, view: MeshView) -> tuple[NodeView, HostedTier]:
    """Return who runs a leg; of somebody that is not known here it is believed that it is like this node."""
    node, hosted = view.hosting.partners_of(tier).get(short(leg.node_id), (view.own, tier))
    return (node, hosted) if len(hosted.stages) == len(tier.stages) else (view.own, tier)


def _bytes_before(leg: Leg, tier: HostedTier) -> int:
    return tier.stages[leg.first - 1].out_bytes


def _way_s(
    sender: NodeView, receiver: NodeView, tier: HostedTier, leg: Leg, view: MeshView, *, n_bytes: float, items: int
) -> float:
    """Return the seconds of what goes into a leg, in the codec that its plan says; 0 where nobody knows the link.

    From here they are as measured; between two others, as the sender tells of its link.
    """
    if sender.link is None:
        if receiver.link is None:
            return 0.0
        return view.encodings.planned_s(receiver.link, tier, leg.first, leg.codec, n_bytes=n_bytes, items=items)
    told = sender.links.get(short(receiver.profile.node_id))
    return 0.0 if told is None else told.rtt_s + n_bytes * told.byte_s


def _flaw(legs: tuple[Leg, ...], hosted: HostedTier, own: NodeProfile) -> str | None:
    """Return what is wrong with the row of legs: it has to begin here and to reach the last stage without a gap."""
    n_stages = len(hosted.stages)
    if legs[0].node_id != own.node_id:
        return f"the next part of the plan is for {legs[0].node}, not for this node"
    if legs[0].first < 1 or legs[-1].last != n_stages:
        return f"the plan covers parts {legs[0].first} to {legs[-1].last}; what may be handed over are 1 to {n_stages}"
    if any(leg.first >= leg.last for leg in legs):
        return "a part of the plan is empty"
    if any(before.last != behind.first for before, behind in pairwise(legs)):
        return "the parts of the plan do not follow each other"
    if len({leg.node_id for leg in legs}) < len(legs):
        return "the plan returns to a node that it has left"
    return None


def _why_private(
    partial: Partial, hosted: HostedTier, own: NodeProfile, privacy: Privacy, *, keeps_input: bool
) -> Failure | None:
    stays = keeps_input or not hosted.raw_input_may_leave
    if rule := why_not_send_activations(privacy, own.device_class, input_stays=stays):
        return failure(errors.RefusedByPrivacy, f"{rule}; the sender should never have sent it")
    closed = [leg.first for leg in partial.legs if leg.first not in open_cuts(hosted.stages)]
    if closed:
        told = f"what crosses before part {closed[0]} stays on its node, says the manifest here"
        return failure(errors.RefusedByPrivacy, f"{told}; the sender should never have sent it")
    return None
