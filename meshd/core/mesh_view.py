"""What this node knows of the mesh: itself, its peers, the links to them, and how old each figure is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy

from msgspec.structs import replace

from meshd.core.answer import Answer, Hop
from meshd.core.candidate import Candidate
from meshd.core.crossings import Crossings
from meshd.core.doubts import Doubts
from meshd.core.drifts import Drifts
from meshd.core.encodings import Encodings, Passage
from meshd.core.escalations import Escalations
from meshd.core.events import HostChanged, PeerAnswered
from meshd.core.handling import LEAST_S as HANDLING_S
from meshd.core.handling import Taken
from meshd.core.hosting import Hosting
from meshd.core.ids import ArtifactHash, ModelName, NodeId
from meshd.core.link import NOTICED, Link
from meshd.core.membership import Change, Membership
from meshd.core.node import HostedTier, NodeProfile, Telemetry
from meshd.core.node_view import NodeView
from meshd.core.noticed import LEAST_S, Noticed
from meshd.core.plan import RAW
from meshd.core.radio import Radio
from meshd.core.recent import Recent
from meshd.core.settings import Settings
from meshd.core.spans import MOST_OF_A_RUN

_MOST_INPUTS = 64
"""Ways of inputs kept for one peer: one for each variant and size."""

_ARRIVALS_FADE_S = 10.0
"""A burst lasts for seconds; a tenth of it counts after half a minute."""


class MeshView:
    """All nodes this node could use, and what it has learned by using them."""

    def __init__(self, own: NodeProfile, settings: Settings, now: float) -> None:
        self.settings = settings
        self.membership = Membership(settings, now)
        self.own = NodeView(profile=own, telemetry=Telemetry(), heard_s=now, link=None, codecs=frozenset(own.codecs))
        self._peers: dict[NodeId, NodeView] = {}
        self.encodings = Encodings()
        self.crossings = Crossings()
        self._noticed = Noticed()
        self.hosting = Hosting(self.own, self._peers)
        self.drifts = Drifts()
        self.escalations = Escalations(self._noticed, self.drifts)
        self.radio = Radio(tail_s=own.power.radio_tail_s)
        self.arrivals = Recent(fades_in_s=_ARRIVALS_FADE_S)
        """Of requests, here."""
        self.chargings = 0
        """How often this node began to charge."""
        self._doubts = Doubts()

    def nodes(self) -> Iterator[NodeView]:
        """Yield this node, then every peer that was met."""
        yield self.own
        yield from self._peers.values()

    def supposing(self, supposed: Callable[[NodeView], NodeView]) -> MeshView:
        """Return a view of the same nodes as they are supposed to be, to look at and not to learn in."""
        other = copy(self)
        other.own = supposed(self.own)
        peers = {node_id: supposed(node) for node_id, node in self._peers.items()}
        other._peers, other._doubts = peers, Doubts()  # noqa: SLF001 - a view of its own class
        other.hosting = Hosting(other.own, peers)
        return other

    def versions(self, now: float) -> tuple[int, ...]:
        """Return numbers of which one is another as soon as a request may have to be planned differently.

        They say nothing of what is under way here or at peers. The first counts what was measured, and no other does.
        """
        noticed = self._noticed
        return (
            noticed.figures,
            noticed.version - noticed.figures,
            self.membership.version,
            self.encodings.version,
            self.crossings.version,
            self.radio.wakes(now),
        )

    def is_any_busy(self, candidates: Iterable[Candidate], now: float) -> bool:
        """Tell whether a peer among these has a queue, or the link to it: how long it is changes by the moment."""
        for candidate in candidates:
            peer = self._peers.get(candidate.node_id)
            if peer is not None and peer.is_busy(now):
                return True
        return False

    def peer(self, node_id: NodeId) -> NodeView | None:
        """Return what is known of a peer; none if it was never met."""
        return self._peers.get(node_id)

    def sampled(self, sample: HostChanged) -> None:
        """Take in the state of this node."""
        self.own.tell_warm(sample.warm_stages)
        self.own.loading.came(sample.warm)
        self.chargings += sample.charging and not self.own.telemetry.charging
        self.own.telemetry = replace(
            self.own.telemetry,
            warm=sample.warm,
            battery_fraction=sample.battery_fraction,
            charging=sample.charging,
            free_memory_bytes=sample.free_memory_bytes,
        )
        self._noticed.changed()

    def models_changed(self, hosted: tuple[HostedTier, ...]) -> None:
        """Take in what this node hosts from now on."""
        self.own.profile = replace(self.own.profile, hosted=hosted)
        self.own.hosts(hosted)
        self._hosts_changed()

    def is_reborn(self, profile: NodeProfile) -> bool:
        """Tell whether a peer has started anew since it was last met: it knows of nothing that was sent before."""
        known = self._peers.get(profile.node_id)
        return known is not None and known.profile.incarnation < profile.incarnation

    def connected(self, profile: NodeProfile, telemetry: Telemetry, now: float) -> list[Change]:
        """Take in the capability document that a session opens with, or a newer one."""
        profile = replace(profile, hosted=_each_once(profile.hosted))
        changes = self.membership.connected(profile.node_id, profile.incarnation, now)
        if profile.node_id not in self.membership or profile.incarnation < self.membership[profile.node_id].incarnation:
            return []
        known = self._peers.get(profile.node_id)
        link = known.link if known is not None and known.link is not None else self._link_with(profile, now)
        if self.is_reborn(profile):
            link.reborn(now)
            self._peers[profile.node_id].begin_anew()
        peer = known or NodeView(profile=profile, telemetry=telemetry, heard_s=now, link=link)
        peer.profile, peer.codecs = profile, frozenset(profile.codecs)
        peer.hosts(profile.hosted)
        self._peers[profile.node_id] = peer
        self._take_in(peer, telemetry, now)
        self._forget_strangers()
        return changes

    def heard(self, node_id: NodeId, telemetry: Telemetry | None, now: float) -> list[Change]:
        """Take in a life sign, with fresh telemetry where it carried some."""
        peer = self._peers.get(node_id)
        if peer is not None and telemetry is not None:
            self._take_in(peer, telemetry, now)
        return self.membership.heard(node_id, now)

    def link_to(self, node_id: NodeId) -> Link:
        """Return the link to a peer; KeyError if it was never met."""
        link = self._peers[node_id].link
        assert link is not None, "only this node itself has no link"
        return link

    def learn_from(self, node_id: NodeId, answer: Answer, now: float, *, item_bytes: float = 0.0) -> None:
        """Take in how long a peer's own stages behind its answer took, and which of them escalated.

        What it says of other nodes is passed over: one answer could make a rival look slow for good.
        """
        for position, hop in enumerate(answer.route):
            if hop.node_id == node_id and (hosted := self._hosted_at(hop, answer.model)):
                first, last = hop.stages or (0, len(hosted.stages))
                self.learn_stages(node_id, hosted, first, last, hop.compute_s / hop.items, now, item_bytes=item_bytes)
                if last == len(hosted.stages):
                    escalated = answer.degraded or any(later.tier != hop.tier for later in answer.route[position + 1 :])
                    self.escalations.learn(hosted, escalated=escalated, now=now)

    def usable_peers(self) -> Iterator[NodeView]:
        """Yield the peers to which something may be sent."""
        return (peer for node_id, peer in self._peers.items() if node_id in self.membership.usable)

    def learn_rtt(self, node_id: NodeId, rtt_s: float | None, now: float, *, probe_bytes: int = 0) -> None:
        """Take in a round trip that a heartbeat and its echo measured, with so many bytes behind the heartbeat."""
        if rtt_s is not None and node_id in self._peers:
            link = self.link_to(node_id)
            version = link.version
            if not probe_bytes:
                link.echoed(rtt_s, now)
            elif link.is_probed_alone:
                self._measured(node_id, probe_bytes, rtt_s, now)
            if link.version != version:
                self._noticed.changed()

    def learn_compute(
        self, node_id: NodeId, hosted: HostedTier, item_s: float, now: float, item_bytes: float = 0.0
    ) -> None:
        """Take in one measured execution of the whole, in seconds for one item whose input has so many bytes.

        It is kept as what the smallest input would have taken: a long one does not make short ones look slow.
        """
        node = self.own if node_id == self.own.profile.node_id else self._peers[node_id]
        growth = hosted.growth_at(item_bytes)
        item_s /= growth
        known = node.compute_s(hosted, now).updated(item_s, now, at_most=MOST_OF_A_RUN)
        node.learned[hosted.artifact] = known
        self.drifts.runs += known.has_drifted
        node.times.ran_whole(hosted, item_s, now)
        self._noticed.saw((node_id, hosted.artifact), known.mean, least=LEAST_S / growth)

    def learn_handling(self, ended_at: NodeId, taken: Taken, now: float) -> None:
        """Take in what a request took, and on which node it ended."""
        node = self._known(ended_at)
        if node is not None and (node.handling.is_known or abs(taken.misfit_s) >= HANDLING_S):
            self.drifts.handling += node.handling.learn(taken, now)
            beyond_s = node.handling.beyond_s(taken.artifact, taken.cuts, taken.n_bytes, taken.parts_s) or 0.0
            self._noticed.saw((ended_at, taken.artifact, taken.cuts, taken.size), beyond_s, least=HANDLING_S)

    def learn_load(self, hosted: HostedTier, first: int, last: int, load_s: float, now: float) -> None:
        """Take in what loading stages [first, last) took here."""
        known_s = self.own.loading.took(hosted, first, last, load_s, now)
        self._noticed.saw((hosted.artifact, first, last), known_s)

    def forgo(self, node_id: NodeId, artifact: ArtifactHash, joules: float) -> float:
        """Take in what a request lost for want of a model in a node's memory; return what all have lost."""
        node = self._known(node_id)
        if node is None:
            return 0.0
        lost = node.loading.forgo(artifact, joules)
        self._noticed.saw((node_id, artifact, "forgone"), lost, least=0.0)
        return lost

    def made_up(self, node_id: NodeId, artifact: ArtifactHash) -> None:
        """Take in that a node loads a model for which requests have lost enough."""
        node = self._known(node_id)
        if node is not None and node.loading.made_up(artifact):
            self._noticed.changed()

    def learn_stages(  # noqa: PLR0917 - a range is two numbers, and the rest is as in every lesson
        self,
        node_id: NodeId,
        hosted: HostedTier,
        first: int,
        last: int,
        item_s: float,
        now: float,
        *,
        item_bytes: float = 0.0,
    ) -> None:
        """Take in one measured execution of the stages [first, last), in seconds for one item."""
        if (first, last) == (0, len(hosted.stages)):
            self.learn_compute(node_id, hosted, item_s, now, item_bytes)
            return
        node = self.own if node_id == self.own.profile.node_id else self._peers[node_id]
        self.drifts.runs += node.times.ran(hosted, first, last, item_s, now, item_bytes)
        self._noticed.changed()

    def learn_exchange(  # noqa: PLR0917 - one exchange has so many sides
        self,
        answered: PeerAnswered,
        hosted: HostedTier,
        stage: int,
        codec: str,
        n_bytes: int,
        transfer_s: float,
        now: float,
        *,
        items: int = 1,
    ) -> None:
        """Take in how long a link took for what crosses before a stage, and how far a codec shrank its ``n_bytes``.

        ``codec`` is the one that was planned.

        ``transfer_s`` is what the peer's own time leaves of the whole exchange, encoding here included.
        """
        link = self._measured(answered.node_id, answered.transferred_bytes, transfer_s - answered.codec_s, now)
        self._notice_exchange(answered, link)
        if answered.sent_bytes <= 0 or n_bytes <= 0:
            return
        reply_bytes = max(0, answered.transferred_bytes - answered.sent_bytes)
        self.encodings.learn_reply(hosted.artifact, reply_bytes / items)
        if answered.codec == RAW != codec:
            self.encodings.learn_misfit(hosted, stage, codec, now)
        elif codec != RAW:
            ratio, item_s = answered.sent_bytes / n_bytes, answered.codec_s / items
            self.encodings.learn(hosted, stage, codec, ratio=ratio, encoding_s=item_s, now=now)

    def learn_overdue(self, node_id: NodeId, n_bytes: int, at_least_s: float, now: float) -> None:
        """Take in that a link has taken so long, beside all that is expected of the peer, and nothing has come.

        Without this a link that became slow would look fast for ever, for nothing that is sent over it ever ends.
        """
        link = self.link_to(node_id)
        link.overdue(n_bytes, at_least_s, now)
        self._noticed.changed()
        self._doubts.note(node_id, link)

    def called_back(self, node_id: NodeId, crossing_s: float, *, begins_s: float, now: float) -> None:
        """Take in that nobody waits any more for what was to begin to cross to a peer at some time."""
        peer = self._peers.get(node_id)
        if peer is not None and peer.link is not None:
            peer.link.traffic.called_back(crossing_s, begins_s=begins_s, rtt_s=peer.link.rtt_s.mean, now=now)
            self._noticed.changed()

    def weigh_doubts(self, now: float) -> None:
        """Let the next request try links that have been believed slow for long enough."""
        if self._doubts.weigh(now):
            self._noticed.changed()

    def passage(
        self, node: NodeView, hosted: HostedTier, stage: int, *, n_bytes: float, items: int, lossless: bool = False
    ) -> Passage:
        """Return the best way to a peer for tensors of ``n_bytes`` that cross before a stage."""
        link = node.link
        assert link is not None, "nothing travels to this node itself"
        ways = hosted.stages[stage - 1].ways if stage else hosted.ways
        return self.encodings.best(
            link,
            hosted,
            stage,
            n_bytes=n_bytes,
            items=items,
            ways=ways,
            codecs=node.codecs & self.own.codecs,
            lossless=lossless,
        )

    def input_passage(
        self, node: NodeView, hosted: HostedTier, *, n_bytes: float, items: int, lossless: bool = False
    ) -> Passage:
        """Return the best way to a peer for so many bytes of a request's input, kept until the link is another."""
        link, key = node.link, (hosted.model, hosted.artifact, n_bytes, items, lossless)
        assert link is not None, "nothing travels to this node itself"
        known = node.inputs.get(key)
        if known is not None and known[0] == link.version and known[1] == self.encodings.version:
            return known[2]
        if len(node.inputs) >= _MOST_INPUTS:
            node.inputs.clear()
        passage = self.passage(node, hosted, 0, n_bytes=n_bytes, items=items, lossless=lossless)
        node.inputs[key] = (link.version, self.encodings.version, passage)
        return passage

    def forget(self, now: float) -> None:
        """Let go of times that were learned a while ago; done between requests, so that none waits for it."""
        self.encodings.forget(now)
        for node in self.nodes():
            if node.learned or node.times.is_learned or node.handling.is_known:
                node.forget(now)
                self._noticed.changed()

    def _known(self, node_id: NodeId) -> NodeView | None:
        return self.own if node_id == self.own.profile.node_id else self._peers.get(node_id)

    def _measured(self, node_id: NodeId, n_bytes: int, transfer_s: float, now: float) -> Link:
        """Take in one exchange over a link, and look again in a while where that made it look slow."""
        link = self.link_to(node_id)
        self.drifts.links += link.measured(n_bytes, transfer_s, now)
        self._doubts.note(node_id, link)
        return link

    def _notice_exchange(self, answered: PeerAnswered, link: Link) -> None:
        n_bytes = answered.transferred_bytes
        predicted_s = link.transfer_s(n_bytes)
        self._noticed.saw((answered.node_id, n_bytes.bit_length()), predicted_s, least=NOTICED * predicted_s)

    def _hosted_at(self, hop: Hop, model: ModelName) -> HostedTier | None:
        """Return what a peer announced about the stage that it ran; none if it has changed since."""
        peer = self._peers.get(hop.node_id)
        hosted = peer.profile.hosted if peer is not None else ()
        return next((h for h in hosted if (h.model, h.tier, h.variant) == (model, hop.tier, hop.variant)), None)

    def _link_with(self, profile: NodeProfile, now: float) -> Link:
        return Link.unused(min(self.own.profile.power.radio_bps, profile.power.radio_bps), now)

    def _take_in(self, peer: NodeView, telemetry: Telemetry, now: float) -> None:
        if peer.told(telemetry, now):
            self._noticed.changed()

    def _hosts_changed(self) -> None:
        self.hosting.changed()
        self._noticed.begin_anew()

    def _forget_strangers(self) -> None:
        self._hosts_changed()
        for stranger in [node_id for node_id in self._peers if node_id not in self.membership]:
            del self._peers[stranger]
            self._doubts.forget(stranger)


def _each_once(hosted: tuple[HostedTier, ...]) -> tuple[HostedTier, ...]:
    """Return what a peer announces, of one variant only what it says last: it cannot be two things at a time."""
    return tuple({(h.model, h.tier, h.artifact): h for h in hosted}.values())
