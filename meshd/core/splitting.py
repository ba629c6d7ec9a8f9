"""Runs over several nodes: a head here and a tail on a peer, chains over three nodes, the rest of what has begun.

Of all cuts and peers only those are offered that may be best. Every cut of a promising peer is looked at by one line of
arithmetic, and what is not the soonest or the cheapest there is not offered at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nsmallest
from itertools import chain
from math import inf
from operator import itemgetter

from msgspec import Struct

from meshd.core.candidate import Candidate
from meshd.core.chains import Chains
from meshd.core.cost import CostModel, Onward
from meshd.core.encodings import Passage, seconds_of
from meshd.core.gain import Bar
from meshd.core.life import Reached
from meshd.core.node import HostedTier
from meshd.core.partners import MOST_PEERS, Found, Partners, Promise, Way
from meshd.core.plan import RAW, Leg
from meshd.core.privacy import open_cuts
from meshd.core.rules import Rules
from meshd.core.station import Part, Station


class _Most(Struct, frozen=True, kw_only=True, gc=False):
    """What a split may take at most: one of the two is enough."""

    seconds: float
    cost: float
    limit_s: float
    """Seconds beyond which it meets neither."""

    def allows(self, found: Found) -> bool:
        return found.seconds <= self.seconds or found.cost <= self.cost


class Splitter:
    """Offers the splits of one tier that this node hosts itself, for one request."""

    def __init__(self, cost: CostModel, rules: Rules, own: HostedTier, onward: Onward) -> None:
        self._cost = cost
        self._rules = rules
        self._view = cost.view
        self._own = own
        self._onward = onward
        self._partners = Partners(cost, rules, own)
        self._here = self._partners.here
        self._items = cost.request.batch
        self._n_stages = len(own.stages)

    def offer(self, bar: Bar | None) -> list[Candidate]:
        """Return heads here with tails on peers, and chains that are sooner than all of them.

        Of what does not meet the bar only the soonest is offered, so that a person sees what splitting would take.
        """
        most = self._most(bar)
        promising = self._partners.promising()
        by_peer = self._tails(promising, most.limit_s)
        if not by_peer:
            return []
        found = [way for ways in by_peer for way in ways if most.allows(way)] or by_peer[0][:1]
        found += Chains(self._partners).soonest(promising, min(by_peer[0][0].seconds, most.limit_s))
        return [self._candidate(way.way) for way in found]

    def _most(self, bar: Bar | None) -> _Most:
        """Return what a split may take to meet the bar, without the escalation that follows any run of the tier."""
        if bar is None or bar.is_open_to_legs:
            return _Most(seconds=inf, cost=inf, limit_s=inf)
        rate, price_watts = self._view.escalations.rate(self._own, self._cost.now), self._cost.price_watts
        seconds = bar.most_s - rate * self._onward.seconds
        onward_cost = self._onward.weighted_joules + self._onward.seconds * price_watts
        cost = bar.most_cost - rate * onward_cost
        time_cost = cost - min(self._here.head_loads_s[1:], default=0.0) * self._here.load_watts
        return _Most(seconds=seconds, cost=cost, limit_s=max(seconds, time_cost / price_watts if price_watts else inf))

    def named(self, place: str) -> list[Candidate]:
        """Return the one split that an asker named, if there is such a one and no rule forbids it."""
        stations = [s for s in self._partners.stations(self._partners.by_name.values()) if s.node.profile.name in place]
        twos = (way for station in stations for way in self._twos(station))
        threes = Chains(self._partners).through(stations)
        return [self._candidate(way) for way in chain(twos, threes) if _place(way) == place][:1]

    def rest(self, reached: Reached) -> list[Candidate]:
        """Return the ways to go on from a stage: here, and on peers."""
        stage, last = reached.stage, self._n_stages
        here: list[Way] = [] if self._rules.forbids_stages_here(self._own) else [((self._here, stage, last, None),)]
        there: list[Way] = []
        if stage in self._partners.cuts:
            for station in self._partners.stations([(node, hosted) for _, node, hosted in self._partners.promising()]):
                if stage in open_cuts(station.hosted.stages):
                    node = station.node
                    passage = self._view.passage(
                        node,
                        self._own,
                        stage,
                        n_bytes=reached.n_bytes,
                        items=self._items,
                        lossless=self._cost.request.lossless,
                    )
                    there.append(((station, stage, last, passage),))
        best = nsmallest(MOST_PEERS, map(self._partners.weigh, there), key=lambda found: found.cost)
        return [self._candidate(way) for way in (*here, *(found.way for found in best))]

    def _tails(self, promising: Sequence[Promise], limit_s: float) -> list[list[Found]]:
        """Return for each of the best peers its soonest split, and its cheapest one if that is another.

        Peers come in the order of the least seconds that they could take, were they idle; once that is more than what
        the last of the best takes, or than any may take, the rest need not be looked at.
        """
        found: list[list[Found]] = []
        for least_s, node, hosted in promising:
            if found and least_s > limit_s:
                break
            if len(found) >= MOST_PEERS and least_s >= found[MOST_PEERS - 1][0].seconds:
                break
            for station in self._partners.stations([(node, hosted)]):
                if ways := self._scan(station):
                    found.append(ways)
                    found.sort(key=lambda ways: ways[0].seconds)
        return found[:MOST_PEERS]

    def _twos(self, station: Station) -> Iterator[Way]:
        """Yield a head here and a tail there for every cut that both manifests open."""
        prospect = self._partners.prospect(station.node, station.hosted)
        for cut in prospect.cuts:
            yield self._two(station, cut, prospect.passages[cut])

    def _two(self, station: Station, cut: int, passage: Passage | None) -> Way:
        return (self._here, 0, cut, None), (station, cut, self._n_stages, passage)

    def _scan(self, station: Station) -> list[Found]:
        """Return the soonest split with a peer, and the cheapest if that is another cut.

        One line of arithmetic for each cut, for this is done for every peer that may be among the best.
        """
        here, items, last = self._here, self._items, self._n_stages
        price_watts, delay_watts = self._cost.price_watts, self._cost.delay_watts
        prospect = self._partners.prospect(station.node, station.hosted)
        heads_s, tails, work, passages = here.seconds[0], station.seconds, here.work, prospect.passages
        begun_s, said_s, sent_items = here.said_s, station.said_s, station.sent_items
        head_loads_s, tail_loads_s = here.head_loads_s, station.tail_loads_s
        head_crowd, tail_crowd = here.crowd, station.crowd
        radio = here.byte_joules * here.weight + station.byte_joules * station.weight
        here_joules, there_joules = here.work_joules * here.weight, station.work_joules * station.weight
        handling_s = self._cost.handling_s
        is_handled = self._view.own.handling.is_known or station.node.handling.is_known
        ways: list[tuple[float, float, int]] = []
        for cut in prospect.cuts:
            passage = passages[cut]
            assert passage is not None, "there is a passage before every stage but the first"
            head_s, tail_item_s = heads_s[cut] * items, tails[cut][last]
            tail_s = tail_item_s * items
            until_s = max(begun_s + head_loads_s[cut] + head_s, said_s, sent_items * tail_item_s)
            if is_handled:
                until_s += handling_s(station.node, self._own, (cut,), head_s + passage.seconds + tail_s)
            until_s += passage.seconds + tail_loads_s[cut] + tail_s
            delay_s = head_s * head_crowd + tail_s * tail_crowd
            joules = here_joules * work[cut] + there_joules * (1.0 - work[cut]) + passage.n_bytes * radio
            joules += head_loads_s[cut] * here.load_watts + tail_loads_s[cut] * station.load_watts
            ways.append((until_s + delay_s, joules + until_s * price_watts + delay_s * delay_watts, cut))
        if not ways:
            return []
        soonest, cheapest = min(ways), min(ways, key=itemgetter(1))
        best = [soonest] if soonest is cheapest else [soonest, cheapest]
        return [
            Found(seconds=seconds, cost=cost, way=self._two(station, cut, passages[cut])) for seconds, cost, cut in best
        ]

    def _candidate(self, way: Way) -> Candidate:
        parts = [Part(station=s, first=first, last=last, passage=passage) for s, first, last, passage in way]
        first = parts[0].station.node
        return Candidate(
            node_id=first.profile.node_id,
            node=first.profile.name,
            here=first.link is None,
            tier=self._own,
            prediction=self._cost.legs(parts, self._here, self._onward),
            legs=tuple(map(_leg, parts)),
            is_assumed=any(_is_assumed(part) for part in parts),
        )


def _leg(part: Part) -> Leg:
    profile, passage = part.station.node.profile, part.passage
    return Leg(
        node_id=profile.node_id,
        node=profile.name,
        first=part.first,
        last=part.last,
        codec=passage.codec if passage is not None else RAW,
        compute_s=part.station.run_s(part.first, part.last),
        transfer_s=seconds_of(passage),
    )


def _is_assumed(part: Part) -> bool:
    """Tell whether a part is reached over a link of this node whose rate was never measured."""
    link = part.station.node.link
    return part.passage is not None and link is not None and not link.is_rate_measured


def _place(way: Way) -> str:
    """Return how a candidate of this way would be called."""
    return ", ".join(f"{station.node.profile.name} {first}-{last}" for station, first, last, _ in way)
