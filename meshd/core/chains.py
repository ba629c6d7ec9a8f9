"""Chains over three nodes: a head here, the middle on a peer, the tail on a node that the peer tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import product
from math import inf

from meshd.core.encodings import Passage, seconds_of
from meshd.core.estimate import Estimate
from meshd.core.link import Link
from meshd.core.node import HostedTier, PeerLink
from meshd.core.node_view import NodeView
from meshd.core.partners import MOST_PEERS, Found, Partners, Promise, Way
from meshd.core.station import Station

_MOST_CHAINS = 2


class Chains:
    """Finds chains among partners over a peer's own link to another."""

    def __init__(self, partners: Partners) -> None:
        self._partners = partners
        self._cost = partners.cost
        self._own = partners.own
        self._here = partners.here
        self._items = partners.items
        self._n_stages = partners.n_stages

    def through(self, middles: Sequence[Station]) -> Iterator[Way]:
        """Yield every chain over these peers."""
        for middle in middles:
            for end, told in self._ends(middle.node):
                for last in self._partners.stations([end]):
                    yield from self._threes(middle, last, told)

    def soonest(self, promising: Sequence[Promise], below_s: float) -> list[Found]:
        """Return the soonest chains over a peer's own link to another; such as are no sooner than two nodes are not."""
        found: list[Found] = []
        least_here_s = self._here.said_s + min(self._here.head_loads_s)
        for least_way_s, node, hosted in self._middles(promising) if len(self._partners.by_name) > 1 else ():
            if least_here_s + least_way_s >= below_s:
                break
            reached_s = self._reached_s(node, hosted)
            for end, told in self._ends(node):
                if self._here.said_s + told.rtt_s + self._least_s(reached_s, *end) < below_s:
                    for middle, last in product(
                        self._partners.stations([(node, hosted)]), self._partners.stations([end])
                    ):
                        ways = map(self._partners.weigh, self._threes(middle, last, told, below_s - self._here.said_s))
                        found += [way for way in ways if way.seconds < below_s]
        return nsmallest(_MOST_CHAINS, found, key=lambda way: way.seconds)

    def _reached_s(self, node: NodeView, hosted: HostedTier) -> dict[int, float]:
        """Return when a middle could be done with its part of a chain, by the stage before which it ends."""
        prospect = self._partners.prospect(node, hosted)
        passages = prospect.passages
        spans, items = node.times.spans(hosted, self._cost.item_bytes), self._items
        heads_s, seconds = self._here.seconds[0], spans.seconds
        cuts = prospect.cuts
        head_loads_s, middle_load_s = self._here.head_loads_s, node.least_load_s(hosted)
        head_factor = items * (1.0 + self._here.crowd)
        there_s = {
            cut: head_loads_s[cut] + middle_load_s + heads_s[cut] * head_factor + seconds_of(passages[cut])
            for cut in cuts
        }
        return {
            second: min(there_s[first] + seconds[first][second] * items for first in cuts[:at])
            for at, second in enumerate(cuts)
            if at
        }

    def _least_s(self, reached_s: Mapping[int, float], node: NodeView, hosted: HostedTier) -> float:
        """Return the least seconds of a chain that ends on a node, were all idle and the last link without length."""
        seconds, (_, loads_s) = node.times.spans(hosted, self._cost.item_bytes).seconds, node.end_loads_s(hosted)
        ends_s = (at_s + seconds[cut][-1] * self._items + loads_s[cut] for cut, at_s in reached_s.items())
        return min(ends_s, default=inf)

    def _middles(self, promising: Sequence[Promise]) -> list[Promise]:
        """Return the peers that tell of links of their own and are reached soonest: a slow one may be a good bridge."""
        telling = [
            (self._partners.prospect(node, hosted).least_way_s, node, hosted)
            for _, node, hosted in promising
            if node.links
        ]
        return nsmallest(MOST_PEERS, telling, key=lambda middle: middle[0])

    def _ends(self, middle: NodeView) -> Iterator[tuple[tuple[NodeView, HostedTier], PeerLink]]:
        """Yield the other partners that a peer tells of."""
        partners = self._partners.by_name
        for name, told in middle.links.items():
            partner = partners.get(name)
            if partner is not None and partner[0] is not middle and len(partner[1].stages) == self._n_stages:
                yield partner, told

    def _threes(self, middle: Station, end: Station, told: PeerLink, below_s: float = inf) -> Iterator[Way]:
        """Yield the chains from here over one peer to another that may take less than so long on idle nodes."""
        link, passages, items = (
            _believed(told),
            self._partners.prospect(middle.node, middle.hosted).passages,
            self._items,
        )
        cuts = self._partners.prospect(middle.node, middle.hosted).cuts
        heads_s = self._here.seconds[0]
        head_factor, middle_factor = (items * (1.0 + station.crowd) for station in (self._here, middle))
        for at, second in enumerate(cuts):
            if not end.hosted.stages[second - 1].may_travel:
                continue
            crossing: Passage | None = None
            spare_s = below_s - told.rtt_s - end.seconds[second][self._n_stages] * items * (1.0 + end.crowd)
            for first in cuts[:at]:
                passage = passages[first]
                least_s = heads_s[first] * head_factor + middle.seconds[first][second] * middle_factor
                if least_s + seconds_of(passage) < spare_s:
                    crossing = crossing or self._between(middle.node, end.node, link, second)
                    tail = (end, second, self._n_stages, crossing)
                    yield (self._here, 0, first, None), (middle, first, second, passage), tail

    def _between(self, sender: NodeView, receiver: NodeView, link: Link, stage: int) -> Passage:
        view, items = self._cost.view, self._items
        n_bytes = view.crossings.bytes_before(self._own, stage, input_bytes=self._partners.input_bytes, items=items)
        return view.encodings.best(
            link,
            self._own,
            stage,
            n_bytes=n_bytes,
            items=items,
            ways=self._own.stages[stage - 1].ways,
            codecs=sender.codecs & receiver.codecs,
            lossless=self._cost.request.lossless,
        )


def _believed(told: PeerLink) -> Link:
    """Return the link between two others as the one of them told of it."""
    return Link(rtt_s=Estimate.prior(told.rtt_s, 0.0), byte_s=told.byte_s)
