"""Meshes of nodes that host one variant cut into stages, seen by one planner without a scheduler around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from meshd.core.candidate import Candidate, Mask, Observation
from meshd.core.cost import Here
from meshd.core.estimate import Estimate
from meshd.core.explanation import Explanation
from meshd.core.ids import ArtifactHash, NodeId
from meshd.core.itinerary import Itinerary
from meshd.core.life import Life
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedStage, HostedTier, NodeProfile, PeerLink, Way
from meshd.core.planner import Planner
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Request
from meshd.core.settings import Settings
from tests.core.builders import HUB_TIER, node, power, request, tier, warm

IDLE = Here(is_full=False, wait_s=0.0)
MAINS = replace(power(on_battery=False), active_watts=1e-6, radio_joules_per_byte=0.0, radio_wake_joules=0.0)
"""Energy that hardly counts: what wins is what is sooner."""


def cut_tier(
    stages_s: Sequence[float], out_bytes: Sequence[int], ways: Sequence[Way] = (), **changes: Any
) -> HostedTier:
    """A hub tier in stages of these seconds; the tensors between them have these bytes and may travel in these ways."""
    stages = tuple(
        HostedStage(compute_s=stage_s, measured=True, out_bytes=n_bytes, ways=tuple(ways))
        for stage_s, n_bytes in zip(stages_s, (*out_bytes, 0), strict=True)
    )
    return replace(tier(HUB_TIER, compute_s=sum(stages_s), stages=stages, max_items=64), **changes)


def slower(hosted: HostedTier, factor: float) -> HostedTier:
    """The same artifact on a slower device."""
    stages = tuple(replace(stage, compute_s=stage.compute_s * factor) for stage in hosted.stages)
    return replace(hosted, compute_s=hosted.compute_s * factor, stages=stages)


def closed(hosted: HostedTier, *cuts: int) -> HostedTier:
    """The same with cuts that nothing may cross to another node."""
    stages = tuple(replace(stage, may_travel=number not in cuts) for number, stage in enumerate(hosted.stages, start=1))
    return replace(hosted, stages=stages)


def member(name: str, *hosted: HostedTier, codecs: tuple[str, ...] = (), **changes: Any) -> NodeProfile:
    """A node of the mesh for whose energy nobody pays."""
    made = node(changes.pop("rank", HUB_TIER), *hosted, name=name)
    return replace(made, codecs=codecs, power=changes.pop("power", MAINS), **changes)


def mesh(
    own: NodeProfile,
    *peers: NodeProfile,
    bps: Mapping[str, float] | float = 1e8,
    rtt_s: float = 0.001,
    told: Mapping[tuple[str, str], float] | None = None,
) -> MeshView:
    """What a node sees of its peers; ``told`` holds the bits per second between two of them, as the first tells."""
    view = MeshView(own, Settings(max_nodes=2_000), 0.0)
    view.own.telemetry = warm(own)
    for peer in peers:
        links = tuple(
            PeerLink(node=to, rtt_s=rtt_s, byte_s=8.0 / rate)
            for (sender, to), rate in (told or {}).items()
            if sender == peer.name
        )
        view.connected(peer, warm(peer, links=links), 0.0)
        link = view.link_to(peer.node_id)
        link.rtt_s = Estimate.prior(rtt_s, 0.0)
        link.byte_s = 8.0 / (bps if isinstance(bps, float) else bps[peer.name])
    return view


def life_of(asked: Request, **changes: Any) -> Life:
    return Life(request=asked, arrived_s=0.0, itinerary=Itinerary(), story=Explanation(request=asked), **changes)


def seen(view: MeshView, asked: Request | None = None, here: Here = IDLE, **changes: Any) -> Observation:
    """The decision to take for a request; ``changes`` are of its life."""
    made = Planner(view, Settings(max_nodes=2_000))
    return made.observe(life_of(asked or request(), **changes), above=None, here=here, now=0.0)


def masks(observation: Observation) -> dict[str, Mask | None]:
    return {c.place: c.reason.mask if c.reason else None for c in observation.candidates}


def best(observation: Observation) -> Candidate:
    return observation.candidates[LeastExpectedCost().choose(observation)]


def node_id(name: str) -> NodeId:
    return NodeId(name)


ARTIFACT = ArtifactHash("artifact-hub")
