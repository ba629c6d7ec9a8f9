"""What would be decided: the same planner and the same policy, on what a node knows or might know. Nothing is run."""

from __future__ import annotations

from copy import deepcopy

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.candidate import Candidate, Observation
from meshd.core.estimate import Estimate
from meshd.core.explanation import Explanation
from meshd.core.ids import ModelName, NodeId
from meshd.core.itinerary import Itinerary
from meshd.core.life import Life
from meshd.core.link import Link
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier, NodeProfile
from meshd.core.node_view import NodeView, short
from meshd.core.planner import Here, Planner
from meshd.core.policy import Policy
from meshd.core.request import Request
from meshd.core.settings import Settings


class Outlook(Struct, frozen=True, kw_only=True):
    """The decision that a request would meet."""

    observation: Observation
    index: int | None
    """Of the candidate that would be chosen; none when nothing is allowed."""

    @property
    def chosen(self) -> Candidate | None:
        """Return what would be chosen."""
        return None if self.index is None else self.observation.candidates[self.index]


def outlook(
    view: MeshView, settings: Settings, policy: Policy, request: Request, *, now: float, wait_s: float = 0.0
) -> Outlook:
    """Return what the node of this view would decide; ``wait_s`` is how long a stage would wait there for a slot."""
    life = Life(request=request, arrived_s=now, itinerary=Itinerary(), story=Explanation(request=request))
    here = Here(is_full=False, wait_s=wait_s)
    observation = Planner(view, settings).observe(life, above=None, here=here, now=now)
    return Outlook(
        observation=observation, index=policy.choose(observation, view, now) if observation.offers_any else None
    )


def at_rate(view: MeshView, rate_bps: float) -> MeshView:
    """Return a view in which so many bits a second pass every link, whatever was measured."""
    byte_s = 8.0 / rate_bps

    def at_that_rate(node: NodeView) -> NodeView:
        link = node.link and Link(rtt_s=node.link.rtt_s, byte_s=byte_s, version=node.link.version + 1)
        told = {peer: replace(link, byte_s=byte_s) for peer, link in node.links.items()}
        return replace(node, link=link, links=told, prospects={}, inputs={})

    return view.supposing(at_that_rate)


def seen_from(view: MeshView, node_id: NodeId, settings: Settings, now: float) -> MeshView:
    """Return what another node sees, as far as this one knows: what nodes announce, and what it tells of its links.

    Raises:
        KeyError: no such node was met.
    """
    known = {node.profile.node_id: node for node in view.nodes()}
    other = known.pop(node_id)
    seen = MeshView(other.profile, settings, now)
    seen.own.telemetry, seen.own.learned, seen.own.times = other.telemetry, other.learned, other.times
    seen.own.handling, seen.own.loading = other.handling, other.loading
    seen.encodings = view.encodings
    for node in known.values():
        if node.link is None or view.membership.is_usable(node.profile.node_id):
            seen.connected(node.profile, node.telemetry, now)
            _tell_of(seen, node, other)
    return seen


def _tell_of(seen: MeshView, node: NodeView, other: NodeView) -> None:
    """Put what was learned of a node into another one's view, and the link between the two, told of by either."""
    peer = seen.peer(node.profile.node_id)
    assert peer is not None, "it has just connected"
    peer.learned, peer.times, peer.links = node.learned, node.times, node.links
    peer.handling, peer.loading = node.handling, node.loading
    told = other.links.get(short(node.profile.node_id)) or node.links.get(short(other.profile.node_id))
    if told is not None:
        rtt_s = Estimate(mean=told.rtt_s, variance=0.0, at_s=peer.heard_s, samples=1)
        peer.link = Link(rtt_s=rtt_s, byte_s=told.byte_s)
    elif node.link is None:  # This very node, which knows its own way to the other.
        peer.link = deepcopy(other.link)


def as_learned(node: NodeView, model: ModelName) -> NodeProfile:
    """Return what a node hosts of a model, with the times that using it has taught."""
    return replace(
        node.profile, hosted=tuple(_as_learned(node, hosted) for hosted in node.profile.hosted if hosted.model == model)
    )


def _as_learned(node: NodeView, hosted: HostedTier) -> HostedTier:
    if not hosted.stages:
        return replace(hosted, compute_s=node.item_s(hosted))
    seconds = node.times.spans(hosted).seconds
    stages = tuple(replace(stage, compute_s=seconds[k][k + 1]) for k, stage in enumerate(hosted.stages))
    return replace(hosted, compute_s=node.item_s(hosted), stages=stages)
