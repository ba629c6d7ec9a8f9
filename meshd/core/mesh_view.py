"""What this node knows of the mesh: itself, its peers, the links to them, and how old each figure is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import hypot

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.answer import Answer, Hop
from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash, ModelName, NodeId
from meshd.core.membership import Change, Membership
from meshd.core.node import DeviceClass, HostedTier, NodeProfile, Telemetry
from meshd.core.rate import Rate
from meshd.core.settings import Settings

_FIRST_RTT_S = 0.02
"""Round trip believed of a link before the first answer: a home's Wi-Fi, at the slow end."""

_SHORTEST_TRANSFER_S = 1e-6
"""Clocks tell no less; without a floor one exchange of no length would make a link free for good."""

_RADIO_TAIL_S = 1.0
"""How long a radio stays awake after use. Wi-Fi power saving and Bluetooth connection intervals lie between 0.1 and a
few seconds; an assumption until a platform reports it."""


class Link(Struct, kw_only=True):
    """The directed pair from this node to a peer."""

    rtt_s: Estimate
    byte_s: Estimate
    """Seconds per byte beyond the round trip. Times average well; one lucky rate would outweigh a hundred others."""
    outstanding: int = 0
    """Requests of ours that are there now; younger than any telemetry."""

    def transfer_s(self, n_bytes: int) -> float:
        """Return the expected seconds to move this many bytes, both directions together."""
        return self.rtt_s.mean + n_bytes * self.byte_s.mean

    def deviation_s(self, n_bytes: int, now: float) -> float:
        """Return the standard deviation of :meth:`transfer_s`."""
        return hypot(self.rtt_s.deviation(now), n_bytes * self.byte_s.deviation(now))

    def measured(self, n_bytes: int, transfer_s: float, now: float) -> None:
        """Learn from one exchange that moved ``n_bytes`` in ``transfer_s``.

        One sum cannot tell round trip from bandwidth. The error is shared out as a Kalman filter would, both parts
        being equally unsure relative to their size: a small exchange corrects the round trip, a large one the
        bandwidth.
        """
        n_bytes = max(n_bytes, 1)
        rtt_s, bytes_s = max(self.rtt_s.mean, _SHORTEST_TRANSFER_S), n_bytes * self.byte_s.mean
        error_s = max(transfer_s, _SHORTEST_TRANSFER_S) - rtt_s - bytes_s
        share = rtt_s**2 / (rtt_s**2 + bytes_s**2)
        self.rtt_s = self.rtt_s.updated(max(0.0, rtt_s + share * error_s), now)
        self.byte_s = self.byte_s.updated(max(0.0, bytes_s + (1.0 - share) * error_s) / n_bytes, now)


class NodeView(Struct, kw_only=True):
    """A node with the latest of what it said of itself."""

    profile: NodeProfile
    telemetry: Telemetry
    heard_s: float
    link: Link | None
    """None for this node itself."""
    learned: dict[ArtifactHash, Estimate] = {}
    """Seconds for one item, as measured."""

    def compute_s(self, hosted: HostedTier, now: float) -> Estimate:
        """Return what one item takes there: learned, or as announced."""
        known = self.learned.get(hosted.artifact)
        return known if known is not None else Estimate.prior(hosted.compute_s, now)

    def learned_of(self, hosted: tuple[HostedTier, ...]) -> dict[ArtifactHash, Estimate]:
        """Return what was learned of these models; the rest is gone, and not worth its memory."""
        return {h.artifact: self.learned[h.artifact] for h in hosted if h.artifact in self.learned}


class MeshView:
    """All nodes this node could use, and what it has learned by using them."""

    def __init__(self, own: NodeProfile, settings: Settings, now: float) -> None:
        self.membership = Membership(settings, now)
        self.own = NodeView(profile=own, telemetry=Telemetry(), heard_s=now, link=None)
        self._peers: dict[NodeId, NodeView] = {}
        self._hosts: dict[ModelName, Sequence[tuple[NodeView, HostedTier]]] = {}
        self._kept_inputs = _kept_inputs(own.hosted)
        self._escalation: dict[tuple[ModelName, DeviceClass], Rate] = {}
        self._radio_used_s = float("-inf")

    def nodes(self) -> Iterator[NodeView]:
        """Yield this node, then every peer that was met."""
        yield self.own
        yield from self._peers.values()

    def peer(self, node_id: NodeId) -> NodeView | None:
        """Return what is known of a peer; none if it was never met."""
        return self._peers.get(node_id)

    def hosts_of(self, model: ModelName) -> Sequence[tuple[NodeView, HostedTier]]:
        """Return every (node, tier) that announces the model, weakest tier first, this node before its peers."""
        known = self._hosts.get(model)
        if known is None:
            found = ((node, hosted) for node in self.nodes() for hosted in node.profile.hosted if hosted.model == model)
            known = sorted(found, key=lambda host: host[1].tier.rank)
            if known:  # Whoever asks for models that nobody has must not fill this node's memory.
                self._hosts[model] = known
        return known

    def keeps_input(self, model: ModelName) -> bool:
        """Tell whether a manifest on this node forbids the model's input to leave it, whatever peers announce."""
        return model in self._kept_inputs

    def models_changed(self, hosted: tuple[HostedTier, ...]) -> None:
        """Take in what this node hosts from now on."""
        self.own.profile = replace(self.own.profile, hosted=hosted)
        self.own.learned = self.own.learned_of(hosted)
        self._kept_inputs = _kept_inputs(hosted)
        self._hosts.clear()

    def is_reborn(self, profile: NodeProfile) -> bool:
        """Tell whether a peer has started anew since it was last met: it knows of nothing that was sent before."""
        known = self._peers.get(profile.node_id)
        return known is not None and known.profile.incarnation < profile.incarnation

    def connected(self, profile: NodeProfile, telemetry: Telemetry, now: float) -> list[Change]:
        """Take in the capability document that a session opens with, or a newer one."""
        changes = self.membership.connected(profile.node_id, profile.incarnation, now)
        if profile.node_id not in self.membership or profile.incarnation < self.membership[profile.node_id].incarnation:
            return []
        known = self._peers.get(profile.node_id)
        link = known.link if known is not None and known.link is not None else self._new_link(profile, now)
        learned = known.learned_of(profile.hosted) if known is not None else {}
        self._peers[profile.node_id] = NodeView(
            profile=profile, telemetry=telemetry, heard_s=now, link=link, learned=learned
        )
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

    def learn_from(self, node_id: NodeId, answer: Answer, batch: int, now: float) -> None:
        """Take in how long a peer's own stages behind its answer took, and which of them escalated.

        What it says of other nodes is passed over: one answer could make a rival look slow for good.
        """
        for position, hop in enumerate(answer.route):
            if hop.node_id == node_id and (hosted := self._hosted_at(hop, answer.model)):
                self.learn_compute(hop.node_id, hosted, hop.compute_s / batch, now)
                escalated = position < len(answer.route) - 1 or answer.degraded
                self.learn_escalation(hosted, escalated=escalated, now=now)

    def learn_rtt(self, node_id: NodeId, rtt_s: float | None, now: float) -> None:
        """Take in a round trip that a heartbeat and its echo measured."""
        if rtt_s is not None and node_id in self._peers:
            link = self.link_to(node_id)
            link.rtt_s = link.rtt_s.updated(rtt_s, now)

    def learn_compute(self, node_id: NodeId, hosted: HostedTier, item_s: float, now: float) -> None:
        """Take in one measured execution, in seconds for one item."""
        node = self.own if node_id == self.own.profile.node_id else self._peers[node_id]
        node.learned[hosted.artifact] = node.compute_s(hosted, now).updated(item_s, now)

    def escalation_rate(self, hosted: HostedTier, now: float) -> float:
        """Return the share of this tier's answers that escalate: observed, or from its manifest."""
        known = self._escalation.get((hosted.model, hosted.tier))
        return known.at(now) if known is not None else hosted.escalation_rate

    def learn_escalation(self, hosted: HostedTier, *, escalated: bool, now: float) -> None:
        """Take in whether one answer of the tier had to be looked at again."""
        key = (hosted.model, hosted.tier)
        known = self._escalation.get(key) or Rate.believed(hosted.escalation_rate, now)
        self._escalation[key] = known.updated(happened=escalated, now=now)

    def radio_wakes(self, now: float) -> int:
        """Return 1 if this node's radio would have to be woken now, else 0."""
        return int(now - self._radio_used_s > _RADIO_TAIL_S)

    def radio_used(self, now: float) -> None:
        """Note that this node's radio is awake."""
        self._radio_used_s = now

    def _hosted_at(self, hop: Hop, model: ModelName) -> HostedTier | None:
        """Return what a peer announced about the stage that it ran; none if it has changed since."""
        peer = self._peers.get(hop.node_id)
        hosted = peer.profile.hosted if peer is not None else ()
        return next((h for h in hosted if (h.model, h.tier, h.variant) == (model, hop.tier, hop.variant)), None)

    def _new_link(self, profile: NodeProfile, now: float) -> Link:
        slower_bps = min(self.own.profile.power.radio_bps, profile.power.radio_bps)
        return Link(rtt_s=Estimate.prior(_FIRST_RTT_S, now), byte_s=Estimate.prior(8.0 / slower_bps, now))

    def _forget_strangers(self) -> None:
        self._hosts.clear()
        for stranger in [node_id for node_id in self._peers if node_id not in self.membership]:
            del self._peers[stranger]


def _kept_inputs(hosted: tuple[HostedTier, ...]) -> frozenset[ModelName]:
    return frozenset(tier.model for tier in hosted if not tier.raw_input_may_leave)
