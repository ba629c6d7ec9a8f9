"""What this node knows of the mesh: itself, its peers, the links to them, and how old each figure is."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from meshd.core.answer import Hop
from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash, ModelName, NodeId
from meshd.core.membership import Change, Membership
from meshd.core.node import DeviceClass, HostedTier, NodeProfile, Telemetry
from meshd.core.settings import Settings

_FIRST_RTT_S = 0.02
"""Round trip believed of a link before the first answer: a home's Wi-Fi, at the slow end."""

_BANDWIDTH_SAMPLE_BYTES = 32_768
"""Smaller transfers take a round trip and little more, so they say nothing about bandwidth."""

_RADIO_TAIL_S = 1.0
"""How long a radio stays awake after use. Wi-Fi power saving and Bluetooth connection intervals lie between 0.1 and a
few seconds; an assumption until a platform reports it."""


class Link(Struct, kw_only=True):
    """The directed pair from this node to a peer."""

    rtt_s: Estimate
    bps: Estimate
    outstanding: int = 0
    """Requests of ours that are there now; younger than any telemetry."""

    def transfer_s(self, n_bytes: int) -> float:
        """Return the expected seconds to move this many bytes, both directions together."""
        return self.rtt_s.mean + n_bytes * 8.0 / self.bps.mean

    def measured(self, n_bytes: int, transfer_s: float, now: float) -> None:
        """Learn from one exchange that moved ``n_bytes`` in ``transfer_s``."""
        if n_bytes < _BANDWIDTH_SAMPLE_BYTES:
            self.rtt_s = self.rtt_s.updated(transfer_s, now)
        elif transfer_s > self.rtt_s.mean:
            self.bps = self.bps.updated(n_bytes * 8.0 / (transfer_s - self.rtt_s.mean), now)


class NodeView(Struct, kw_only=True):
    """A node with the latest of what it said of itself."""

    profile: NodeProfile
    telemetry: Telemetry
    heard_s: float
    link: Link | None
    """None for this node itself."""


class MeshView:
    """All nodes this node could use, and what it has learned by using them."""

    def __init__(self, own: NodeProfile, settings: Settings, now: float) -> None:
        self.membership = Membership(settings, now)
        self.own = NodeView(profile=own, telemetry=Telemetry(), heard_s=now, link=None)
        self._peers: dict[NodeId, NodeView] = {}
        self._compute_s: dict[tuple[NodeId, ArtifactHash], Estimate] = {}
        self._escalation: dict[tuple[ModelName, DeviceClass], Estimate] = {}
        self._radio_used_s = float("-inf")

    def nodes(self) -> Iterator[NodeView]:
        """Yield this node, then every peer that was met."""
        yield self.own
        yield from self._peers.values()

    def peer(self, node_id: NodeId) -> NodeView | None:
        """Return what is known of a peer; none if it was never met."""
        return self._peers.get(node_id)

    def hosts_of(self, model: ModelName) -> Iterator[tuple[NodeView, HostedTier]]:
        """Yield every (node, tier) that announces the model."""
        for node in self.nodes():
            for hosted in node.profile.hosted:
                if hosted.model == model:
                    yield node, hosted

    def connected(self, profile: NodeProfile, telemetry: Telemetry, now: float) -> list[Change]:
        """Take in the capability document that a session opens with, or a newer one."""
        changes = self.membership.connected(profile.node_id, profile.incarnation, now)
        if profile.incarnation < self.membership[profile.node_id].incarnation:
            return []
        known = self._peers.get(profile.node_id)
        link = known.link if known is not None and known.link is not None else self._new_link(profile, now)
        self._peers[profile.node_id] = NodeView(profile=profile, telemetry=telemetry, heard_s=now, link=link)
        self._forget_strangers()
        return changes

    def heard(self, node_id: NodeId, telemetry: Telemetry | None, now: float) -> list[Change]:
        """Take in a life sign, with fresh telemetry where it carried some."""
        peer = self._peers.get(node_id)
        if peer is not None and telemetry is not None:
            peer.telemetry = telemetry
            peer.heard_s = now
        return self.membership.heard(node_id, now)

    def link_to(self, node_id: NodeId) -> Link:
        """Return the link to a peer; KeyError if it was never met."""
        link = self._peers[node_id].link
        assert link is not None, "only this node itself has no link"
        return link

    def hosted_at(self, hop: Hop, model: ModelName) -> HostedTier | None:
        """Return what a peer announced about the stage that it ran; none if it has changed since."""
        peer = self._peers.get(hop.node_id)
        tiers = peer.profile.tiers_of(model) if peer is not None else ()
        return next((h for h in tiers if h.tier is hop.tier and h.variant == hop.variant), None)

    def learn_rtt(self, node_id: NodeId, rtt_s: float | None, now: float) -> None:
        """Take in a round trip that a heartbeat and its echo measured."""
        if rtt_s is not None and node_id in self._peers:
            link = self.link_to(node_id)
            link.rtt_s = link.rtt_s.updated(rtt_s, now)

    def compute_s(self, node_id: NodeId, hosted: HostedTier, now: float) -> Estimate:
        """Return what one item takes there: learned, or as announced."""
        known = self._compute_s.get((node_id, hosted.artifact))
        return known if known is not None else Estimate.prior(hosted.compute_s, now)

    def learn_compute(self, node_id: NodeId, hosted: HostedTier, item_s: float, now: float) -> None:
        """Take in one measured execution, in seconds for one item."""
        believed = self.compute_s(node_id, hosted, now)
        self._compute_s[node_id, hosted.artifact] = believed.updated(item_s, now)

    def escalation_rate(self, hosted: HostedTier) -> float:
        """Return the share of this tier's answers that escalate: observed, or from its manifest."""
        known = self._escalation.get((hosted.model, hosted.tier))
        return known.mean if known is not None else hosted.escalation_rate

    def learn_escalation(self, hosted: HostedTier, *, escalated: bool, now: float) -> None:
        """Take in whether one answer of the tier had to be looked at again."""
        key = (hosted.model, hosted.tier)
        believed = self._escalation.get(key) or Estimate.prior(hosted.escalation_rate, now)
        self._escalation[key] = believed.updated(float(escalated), now)

    def radio_wakes(self, now: float) -> int:
        """Return 1 if this node's radio would have to be woken now, else 0."""
        return int(now - self._radio_used_s > _RADIO_TAIL_S)

    def radio_used(self, now: float) -> None:
        """Note that this node's radio is awake."""
        self._radio_used_s = now

    def _new_link(self, profile: NodeProfile, now: float) -> Link:
        slower_bps = min(self.own.profile.power.radio_bps, profile.power.radio_bps)
        return Link(rtt_s=Estimate.prior(_FIRST_RTT_S, now), bps=Estimate.prior(slower_bps, now))

    def _forget_strangers(self) -> None:
        for node_id in [n for n in self._peers if n not in self.membership]:
            del self._peers[node_id]
            for key in [k for k in self._compute_s if k[0] == node_id]:
                del self._compute_s[key]
