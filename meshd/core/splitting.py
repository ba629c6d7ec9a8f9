"""Runs over several nodes: a head here and a tail on a peer, chains over three nodes, the rest of what has begun.

Of all cuts and peers only those are offered that may be best. Every cut of a promising peer is looked at by one line of
arithmetic, and what is not the soonest or the cheapest there is not offered at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nsmallest

from msgspec import Struct

from meshd.core.candidate import Candidate, Prediction
from meshd.core.cost import CostModel, Onward, Part
from meshd.core.encodings import Passage
from meshd.core.estimate import Estimate
from meshd.core.life import Reached
from meshd.core.link import Link
from meshd.core.node import HostedTier, PeerLink
from meshd.core.node_view import NodeView, short
from meshd.core.plan import RAW, Leg
from meshd.core.privacy import open_cuts
from meshd.core.rules import Rules

_MOST_PEERS = 4
"""Peers whose splits are offered; a home has fewer nodes worth sending work to."""
_MOST_LOOKED_AT = 16
"""Peers whose cuts are looked at, the most promising first."""
_MOST_CHAINS = 2


class _Found(Struct, kw_only=True, gc=False):
    """One way to run stages over several nodes, before it is a candidate."""

    seconds: float
    """That everybody waits, without what is the same for all ways."""
    cost: float
    parts: tuple[Part, ...]


class Splitter:
    """Offers the splits of one tier that this node hosts itself, for one request."""

    def __init__(self, cost: CostModel, rules: Rules, own: HostedTier, onward: Onward) -> None:
        self._cost = cost
        self._rules = rules
        self._view = cost.view
        self._own = own
        self._onward = onward
        self._items = cost.request.batch
        self._cuts = open_cuts(own.stages)

    def offer(self) -> list[Candidate]:
        """Return heads here with tails on peers, and chains that are sooner than all of them."""
        if not self._cuts or self._rules.forbids_here(self._own):
            return []
        by_peer = list(self._tails())
        if not by_peer:
            return []
        found = [way for ways in by_peer for way in ways]
        found += self._chains([ways[0].parts[1] for ways in by_peer], min(way.seconds for way in found))
        return [self._candidate(way.parts) for way in found]

    def named(self, place: str) -> list[Candidate]:
        """Return the one split that an asker named, if there is such a one and no rule forbids it."""
        if not self._cuts or self._rules.forbids_here(self._own):
            return []
        partners = [p for p in self._partners() if p[0].profile.name in place and self._may_receive(*p)]
        pairs = (
            self._two(node, hosted, cut) for node, hosted in partners for cut in sorted(self._cuts & _cuts_of(hosted))
        )
        triples = (
            parts for middle in partners for end in partners if middle is not end for parts in self._threes(middle, end)
        )
        for parts in (*pairs, *triples):
            if ", ".join(f"{p.node.profile.name} {p.first}-{p.last}" for p in parts) == place:
                return [self._candidate(parts)]
        return []

    def rest(self, reached: Reached) -> list[Candidate]:
        """Return the ways to go on from a stage: here, and on peers."""
        n_stages = len(self._own.stages)
        ways: list[Candidate] = []
        if not self._rules.forbids_here(self._own):
            here = Part(node=self._view.own, hosted=self._own, first=reached.stage, last=n_stages)
            ways.append(self._candidate((here,)))
        if reached.stage not in self._cuts:
            return ways
        found: list[_Found] = []
        for node, hosted in self._promising():
            if reached.stage in _cuts_of(hosted) and self._may_receive(node, hosted):
                passage = self._view.passage(node, self._own, reached.stage, n_bytes=reached.n_bytes, items=self._items)
                part = Part(node=node, hosted=hosted, first=reached.stage, last=n_stages, passage=passage)
                found.append(self._found((part,)))
        return ways + [self._candidate(way.parts) for way in nsmallest(_MOST_PEERS, found, key=lambda way: way.cost)]

    def _tails(self) -> Iterator[list[_Found]]:
        """Yield for each of the best peers its soonest split, and its cheapest one if that is another."""
        found: list[list[_Found]] = []
        for node, hosted in self._promising():
            if self._may_receive(node, hosted) and (ways := self._scan(node, hosted)):
                soonest = min(ways, key=lambda way: way.seconds)
                cheapest = min(ways, key=lambda way: way.cost)
                found.append([soonest] if cheapest is soonest else [soonest, cheapest])
        yield from nsmallest(_MOST_PEERS, found, key=lambda ways: ways[0].seconds)

    def _promising(self) -> Sequence[tuple[NodeView, HostedTier]]:
        """Return the peers with the least seconds at their best cut, were they idle."""
        partners = self._partners()
        if len(partners) <= _MOST_PEERS:
            return partners
        return nsmallest(_MOST_LOOKED_AT, partners, key=self._bound_s)

    def _partners(self) -> Sequence[tuple[NodeView, HostedTier]]:
        return self._view.partners_of(self._own.model, self._own.artifact)

    def _bound_s(self, partner: tuple[NodeView, HostedTier]) -> float:
        node, hosted = partner
        if len(hosted.stages) != len(self._own.stages) or not self._view.membership.is_usable(node.profile.node_id):
            return float("inf")
        heads_s = self._view.own.times.spans(self._own).seconds[0]
        tails = node.times.spans(hosted).seconds
        passages = self._view.passages(node, self._own, self._items)
        best_s = float("inf")
        for cut in self._cuts:
            passage = passages[cut]
            assert passage is not None, "there is a passage before every stage but the first"
            best_s = min(best_s, (heads_s[cut] + tails[cut][-1]) * self._items + passage.seconds)
        return best_s + self._cost.wait_s(node, 0.0)

    def _may_receive(self, node: NodeView, hosted: HostedTier) -> bool:
        same = len(hosted.stages) == len(self._own.stages)
        return same and self._rules.forbids_activations(node, hosted) is None

    def _scan(self, node: NodeView, hosted: HostedTier) -> list[_Found]:
        return [self._found(self._two(node, hosted, cut)) for cut in self._cuts & _cuts_of(hosted)]

    def _two(self, node: NodeView, hosted: HostedTier, cut: int) -> tuple[Part, ...]:
        own = self._view.own
        passage = self._view.passages(node, self._own, self._items)[cut]
        return (
            Part(node=own, hosted=self._own, first=0, last=cut),
            Part(node=node, hosted=hosted, first=cut, last=len(hosted.stages), passage=passage),
        )

    def _chains(self, tails: Sequence[Part], below_s: float) -> list[_Found]:
        """Return the soonest chains over a peer's own link to another; such as are no sooner than two nodes are not."""
        found: list[_Found] = []
        for middle in tails:
            for end in tails:
                if end is not middle and short(end.node.profile.node_id) in middle.node.links:
                    ways = self._threes((middle.node, middle.hosted), (end.node, end.hosted))
                    found += [way for parts in ways if (way := self._found(parts)).seconds < below_s]
        return nsmallest(_MOST_CHAINS, found, key=lambda way: way.seconds)

    def _threes(
        self, middle: tuple[NodeView, HostedTier], end: tuple[NodeView, HostedTier]
    ) -> Iterator[tuple[Part, ...]]:
        """Yield every chain from here over one peer to another, over the link that the one told of."""
        told = middle[0].links.get(short(end[0].profile.node_id))
        if told is None:
            return
        cuts = sorted(self._cuts & _cuts_of(middle[1]) & _cuts_of(end[1]))
        link = _believed(told)
        for at, first in enumerate(cuts):
            for second in cuts[at + 1 :]:
                head, tail = self._two(*middle, first)
                crossing = self._between(middle[0], end[0], link, second)
                yield (
                    head,
                    Part(node=tail.node, hosted=tail.hosted, first=first, last=second, passage=tail.passage),
                    Part(node=end[0], hosted=end[1], first=second, last=len(end[1].stages), passage=crossing),
                )

    def _between(self, sender: NodeView, receiver: NodeView, link: Link, stage: int) -> Passage:
        crossing = self._own.stages[stage - 1]
        return self._view.encodings.best(
            link,
            self._own,
            stage,
            n_bytes=crossing.out_bytes * self._items,
            items=self._items,
            ways=crossing.ways,
            codecs=sender.codecs & receiver.codecs,
        )

    def _found(self, parts: tuple[Part, ...]) -> _Found:
        """Weigh a way by what differs between ways: the cheap part of :meth:`CostModel.legs`."""
        cost, items = self._cost, self._items
        seconds = delay_s = joules = until_s = 0.0
        before = self._view.own
        for part in parts:
            node, hosted = part.node, part.hosted
            spans = node.times.spans(hosted)
            part_s = spans.seconds[part.first][part.last] * items
            until_s = max(until_s, cost.wait_s(node, part_s / items))
            if part.passage is not None:
                until_s += part.passage.seconds
                for end in (before, node):
                    joules += cost.radio_joules(end, part.passage.n_bytes) * cost.weight(end)
            until_s += part_s + cost.load_s(node, hosted)
            delay_s += part_s * cost.crowd(node)
            work = spans.work[part.last] - spans.work[part.first]
            joules += node.profile.power.compute_joules(int(hosted.macs * work * items)) * cost.weight(node)
            before = node
        seconds = until_s + delay_s
        return _Found(seconds=seconds, cost=joules + cost.seconds_price(seconds), parts=parts)

    def _candidate(self, parts: tuple[Part, ...]) -> Candidate:
        first = parts[0]
        return Candidate(
            node_id=first.node.profile.node_id,
            node=first.node.profile.name,
            here=first.node.link is None,
            tier=self._own,
            prediction=self._priced(parts),
            legs=tuple(self._leg(part) for part in parts),
        )

    def _priced(self, parts: tuple[Part, ...]) -> Prediction:
        return self._cost.legs(parts, self._onward)

    def _leg(self, part: Part) -> Leg:
        passage = part.passage
        return Leg(
            node_id=part.node.profile.node_id,
            node=part.node.profile.name,
            first=part.first,
            last=part.last,
            codec=passage.codec if passage is not None else RAW,
            compute_s=part.node.times.spans(part.hosted).seconds[part.first][part.last] * self._items,
            transfer_s=passage.seconds if passage is not None else 0.0,
        )


def _cuts_of(hosted: HostedTier) -> frozenset[int]:
    return open_cuts(hosted.stages)


def _believed(told: PeerLink) -> Link:
    """Return the link between two others as the one of them told of it."""
    return Link(rtt_s=Estimate.prior(told.rtt_s, 0.0), byte_s=told.byte_s)
