"""Runs over several nodes: a head here and a tail on a peer, chains over three nodes, the rest of what has begun.

Of all cuts and peers only those are offered that may be best. Every cut of a promising peer is looked at by one line of
arithmetic, and what is not the soonest or the cheapest there is not offered at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import chain, product
from math import inf

from msgspec import Struct

from meshd.core.candidate import Candidate
from meshd.core.cost import CostModel, Onward
from meshd.core.encodings import Passage
from meshd.core.estimate import Estimate
from meshd.core.gain import Bar
from meshd.core.life import Reached
from meshd.core.link import Link
from meshd.core.node import HostedTier, PeerLink
from meshd.core.node_view import NodeView
from meshd.core.plan import RAW, Leg
from meshd.core.privacy import open_cuts
from meshd.core.prospects import Prospects
from meshd.core.rules import Rules
from meshd.core.station import Part, Station

_MOST_PEERS = 4
"""Peers whose splits are offered; a home has fewer nodes worth sending work to."""
_MOST_LOOKED_AT = 16
"""Peers whose cuts are looked at, the most promising first."""
_MOST_CHAINS = 2


_Promise = tuple[float, NodeView, HostedTier]
"""Seconds that something takes at least with a peer."""
_Way = tuple[tuple[Station, int, int, Passage | None], ...]
"""Stations with the stages [first, last) that they run and the way of their input there."""


class _Found(Struct, frozen=True, kw_only=True, gc=False):
    """One way to run stages over several nodes, before it is a candidate."""

    seconds: float
    cost: float
    way: _Way


class _Most(Struct, frozen=True, kw_only=True, gc=False):
    """What a split may take at most: one of the two is enough."""

    seconds: float
    cost: float
    limit_s: float
    """Seconds beyond which it meets neither."""

    def allows(self, found: _Found) -> bool:
        return found.seconds <= self.seconds or found.cost <= self.cost


class Splitter:
    """Offers the splits of one tier that this node hosts itself, for one request."""

    def __init__(self, cost: CostModel, rules: Rules, own: HostedTier, onward: Onward) -> None:
        self._cost = cost
        self._rules = rules
        self._view = cost.view
        self._own = own
        self._onward = onward
        self._items = cost.request.batch
        self._n_stages = len(own.stages)
        self._cuts = open_cuts(own.stages)
        self._partners = cost.view.partners_of(own.model, own.artifact)
        self._here = cost.station(cost.view.own, own)
        self._prospects = Prospects(cost.view, own, self._items)

    def offer(self, bar: Bar | None) -> list[Candidate]:
        """Return heads here with tails on peers, and chains that are sooner than all of them.

        Of what does not meet the bar only the soonest is offered, so that a person sees what splitting would take.
        """
        most = self._most(bar)
        promising = self._promising()
        by_peer = self._tails(promising, most.limit_s)
        if not by_peer:
            return []
        found = [way for ways in by_peer for way in ways if most.allows(way)] or by_peer[0][:1]
        found += self._chains(promising, min(by_peer[0][0].seconds, most.limit_s))
        return [self._candidate(way.way) for way in found]

    def _most(self, bar: Bar | None) -> _Most:
        """Return what a split may take to meet the bar, without the escalation that follows any run of the tier."""
        if bar is None or bar.is_open_to_legs:
            return _Most(seconds=inf, cost=inf, limit_s=inf)
        rate, price_watts = self._view.escalation_rate(self._own, self._cost.now), self._cost.price_watts
        seconds = bar.most_s - rate * self._onward.seconds
        onward_cost = self._onward.weighted_joules + self._onward.seconds * price_watts
        cost = bar.most_cost - rate * onward_cost
        return _Most(seconds=seconds, cost=cost, limit_s=max(seconds, cost / price_watts if price_watts else inf))

    def named(self, place: str) -> list[Candidate]:
        """Return the one split that an asker named, if there is such a one and no rule forbids it."""
        stations = [s for s in self._stations(self._partners.values()) if s.node.profile.name in place]
        twos = (way for station in stations for way in self._twos(station))
        threes = (
            way
            for middle in stations
            for end, told in self._ends(middle.node)
            for last in self._stations([end])
            for way in self._threes(middle, last, told)
        )
        return [self._candidate(way) for way in chain(twos, threes) if _place(way) == place][:1]

    def rest(self, reached: Reached) -> list[Candidate]:
        """Return the ways to go on from a stage: here, and on peers."""
        stage, last = reached.stage, self._n_stages
        here: list[_Way] = [] if self._rules.forbids_here(self._own) else [((self._here, stage, last, None),)]
        there: list[_Way] = []
        if stage in self._cuts:
            for station in self._stations([(node, hosted) for _, node, hosted in self._promising()]):
                if stage in open_cuts(station.hosted.stages):
                    node = station.node
                    passage = self._view.passage(node, self._own, stage, n_bytes=reached.n_bytes, items=self._items)
                    there.append(((station, stage, last, passage),))
        best = nsmallest(_MOST_PEERS, map(self._weigh, there), key=lambda found: found.cost)
        return [self._candidate(way) for way in (*here, *(found.way for found in best))]

    def _tails(self, promising: Sequence[_Promise], limit_s: float) -> list[list[_Found]]:
        """Return for each of the best peers its soonest split, and its cheapest one if that is another.

        Peers come in the order of the least seconds that they could take, were they idle; once that is more than what
        the last of the best takes, or than any may take, the rest need not be looked at.
        """
        found: list[list[_Found]] = []
        for least_s, node, hosted in promising:
            if found and least_s > limit_s:
                break
            if len(found) >= _MOST_PEERS and least_s >= found[_MOST_PEERS - 1][0].seconds:
                break
            for station in self._stations([(node, hosted)]):
                if ways := self._scan(station):
                    found.append(ways)
                    found.sort(key=lambda ways: ways[0].seconds)
        return found[:_MOST_PEERS]

    def _promising(self) -> Sequence[_Promise]:
        """Return the peers with the least bounds, and the bounds."""
        hosts = self._partners.values()
        if len(hosts) <= _MOST_PEERS:  # All are looked at: a bound would spare nothing.
            return [(0.0, node, hosted) for node, hosted in hosts]
        bounds = self._bounds_s(hosts)
        return [(bound_s, node, hosted) for bound_s, _, node, hosted in nsmallest(_MOST_LOOKED_AT, bounds)]

    def _bounds_s(
        self, hosts: Iterable[tuple[NodeView, HostedTier]]
    ) -> Iterator[tuple[float, int, NodeView, HostedTier]]:
        """Yield the least seconds of any split with each peer: the head's wait is over before the tail's begins."""
        here, wait_s, prospect = self._here, self._cost.wait_s, self._prospects.of
        least_head_s = here.seconds[0][self._cuts[0]] * self._items
        least_here_s = here.said_s + here.load_s + least_head_s * here.crowd
        usable = self._view.membership.usable
        for number, (node, hosted) in enumerate(hosts):
            if node.profile.node_id in usable:
                best = prospect(node, hosted)
                bound_s = max(least_here_s + best.least_s, wait_s(node, 0.0) + best.least_tail_s)
                yield bound_s, number, node, hosted

    def _stations(self, hosts: Iterable[tuple[NodeView, HostedTier]]) -> Iterator[Station]:
        """Yield the peers that no rule forbids to receive what crosses a cut."""
        for node, hosted in hosts:
            if len(hosted.stages) == self._n_stages and self._rules.forbids_activations(node, hosted) is None:
                yield self._cost.station(node, hosted)

    def _twos(self, station: Station) -> Iterator[_Way]:
        """Yield a head here and a tail there for every cut that both manifests open."""
        for cut in self._cuts_with(station.hosted):
            yield self._two(station, cut)

    def _two(self, station: Station, cut: int) -> _Way:
        passage = self._passages(station)[cut]
        return (self._here, 0, cut, None), (station, cut, self._n_stages, passage)

    def _scan(self, station: Station) -> list[_Found]:
        """Return the soonest split with a peer, and the cheapest if that is another cut.

        One line of arithmetic for each cut, for this is done for every peer that may be among the best.
        """
        here, items, last, price_watts = self._here, self._items, self._n_stages, self._cost.price_watts
        passages = self._passages(station)
        radio = here.byte_joules * here.weight + station.byte_joules * station.weight
        ways: list[tuple[float, float, int]] = []
        for cut in self._cuts_with(station.hosted):
            passage = passages[cut]
            assert passage is not None, "there is a passage before every stage but the first"
            head_s, tail_s = here.seconds[0][cut] * items, station.seconds[cut][last] * items
            until_s = max(here.said_s + here.load_s + head_s, station.wait_s(cut, last))
            seconds = until_s + passage.seconds + station.load_s + tail_s
            seconds += head_s * here.crowd + tail_s * station.crowd
            share = here.work[cut]
            joules = here.work_joules * here.weight * share + station.work_joules * station.weight * (1.0 - share)
            ways.append((seconds, joules + passage.n_bytes * radio + seconds * price_watts, cut))
        if not ways:
            return []
        soonest, cheapest = min(ways), min(ways, key=lambda way: way[1])
        best = [soonest] if soonest is cheapest else [soonest, cheapest]
        return [_Found(seconds=seconds, cost=cost, way=self._two(station, cut)) for seconds, cost, cut in best]

    def _passages(self, station: Station) -> tuple[Passage | None, ...]:
        return self._prospects.of(station.node, station.hosted).passages

    def _chains(self, promising: Sequence[_Promise], below_s: float) -> list[_Found]:
        """Return the soonest chains over a peer's own link to another; such as are no sooner than two nodes are not."""
        found: list[_Found] = []
        least_here_s = self._here.said_s + self._here.load_s
        for least_way_s, node, hosted in self._middles(promising) if len(self._partners) > 1 else ():
            if least_here_s + least_way_s >= below_s:
                break
            reached_s = self._reached_s(node, hosted)
            for end, told in self._ends(node):
                if self._here.said_s + told.rtt_s + self._least_s(reached_s, *end) < below_s:
                    for middle, last in product(self._stations([(node, hosted)]), self._stations([end])):
                        ways = map(self._weigh, self._threes(middle, last, told, below_s - self._here.said_s))
                        found += [way for way in ways if way.seconds < below_s]
        return nsmallest(_MOST_CHAINS, found, key=lambda way: way.seconds)

    def _reached_s(self, node: NodeView, hosted: HostedTier) -> dict[int, float]:
        """Return when a middle could be done with its part of a chain, by the stage before which it ends."""
        passages = self._prospects.of(node, hosted).passages
        heads_s, seconds, items = self._here.seconds[0], node.times.spans(hosted).seconds, self._items
        cuts = self._cuts_with(hosted)
        loads_s = self._here.load_s + self._cost.load_s(node, hosted)
        head_factor = items * (1.0 + self._here.crowd)
        there_s = {cut: loads_s + heads_s[cut] * head_factor + _seconds_of(passages[cut]) for cut in cuts}
        return {
            second: min(there_s[first] + seconds[first][second] * items for first in cuts[:at])
            for at, second in enumerate(cuts)
            if at
        }

    def _least_s(self, reached_s: Mapping[int, float], node: NodeView, hosted: HostedTier) -> float:
        """Return the least seconds of a chain that ends on a node, were all idle and the last link without length."""
        seconds, load_s = node.times.spans(hosted).seconds, self._cost.load_s(node, hosted)
        return min((at_s + seconds[cut][-1] * self._items + load_s for cut, at_s in reached_s.items()), default=inf)

    def _middles(self, promising: Sequence[_Promise]) -> list[_Promise]:
        """Return the peers that tell of links of their own and are reached soonest: a slow one may be a good bridge."""
        telling = [
            (self._prospects.of(node, hosted).least_way_s, node, hosted) for _, node, hosted in promising if node.links
        ]
        return nsmallest(_MOST_PEERS, telling, key=lambda middle: middle[0])

    def _ends(self, middle: NodeView) -> Iterator[tuple[tuple[NodeView, HostedTier], PeerLink]]:
        """Yield the other partners that a peer tells of."""
        partners = self._partners
        for name, told in middle.links.items():
            partner = partners.get(name)
            if partner is not None and partner[0] is not middle and len(partner[1].stages) == self._n_stages:
                yield partner, told

    def _threes(self, middle: Station, end: Station, told: PeerLink, below_s: float = inf) -> Iterator[_Way]:
        """Yield the chains from here over one peer to another that may take less than so long on idle nodes."""
        link, passages, items = _believed(told), self._passages(middle), self._items
        cuts = self._cuts_with(middle.hosted)
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
                if least_s + _seconds_of(passage) < spare_s:
                    crossing = crossing or self._between(middle.node, end.node, link, second)
                    tail = (end, second, self._n_stages, crossing)
                    yield (self._here, 0, first, None), (middle, first, second, passage), tail

    def _cuts_with(self, hosted: HostedTier) -> list[int]:
        return [cut for cut in self._cuts if hosted.stages[cut - 1].may_travel]

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

    def _weigh(self, way: _Way) -> _Found:
        """Weigh a way by what differs between ways, seconds and joules alone: the cheap part of pricing it."""
        until_s = delay_s = joules = 0.0
        before = self._here
        for station, first, last, passage in way:
            run_s = station.run_s(first, last)
            until_s = max(until_s, station.wait_s(first, last)) + station.load_s + run_s
            delay_s += run_s * station.crowd
            joules += station.run_joules(first, last) * station.weight
            if passage is not None:
                until_s += passage.seconds
                joules += before.radio_joules(passage.n_bytes) * before.weight
                joules += station.radio_joules(passage.n_bytes) * station.weight
            before = station
        seconds = until_s + delay_s
        return _Found(seconds=seconds, cost=joules + seconds * self._cost.price_watts, way=way)

    def _candidate(self, way: _Way) -> Candidate:
        parts = [Part(station=s, first=first, last=last, passage=passage) for s, first, last, passage in way]
        first = parts[0].station.node
        return Candidate(
            node_id=first.profile.node_id,
            node=first.profile.name,
            here=first.link is None,
            tier=self._own,
            prediction=self._cost.legs(parts, self._here, self._onward),
            legs=tuple(map(_leg, parts)),
        )


def _seconds_of(passage: Passage | None) -> float:
    return passage.seconds if passage is not None else 0.0


def _leg(part: Part) -> Leg:
    profile, passage = part.station.node.profile, part.passage
    return Leg(
        node_id=profile.node_id,
        node=profile.name,
        first=part.first,
        last=part.last,
        codec=passage.codec if passage is not None else RAW,
        compute_s=part.station.run_s(part.first, part.last),
        transfer_s=_seconds_of(passage),
    )


def _place(way: _Way) -> str:
    """Return how a candidate of this way would be called."""
    return ", ".join(f"{station.node.profile.name} {first}-{last}" for station, first, last, _ in way)


def _believed(told: PeerLink) -> Link:
    """Return the link between two others as the one of them told of it."""
    return Link(rtt_s=Estimate.prior(told.rtt_s, 0.0), byte_s=told.byte_s)
