"""The peers that may share one tier's stages with this node, for one request: how to reach them, and what they take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest
from math import inf

from msgspec import Struct

from meshd.core.cost import CostModel
from meshd.core.encodings import Passage, seconds_of
from meshd.core.node import HostedTier
from meshd.core.node_view import NodeView, Prospect
from meshd.core.privacy import open_cuts
from meshd.core.prospects import Prospects
from meshd.core.rules import Rules
from meshd.core.station import Station

MOST_PEERS = 4
"""Peers whose splits are offered; a home has fewer nodes worth sending work to."""
_MOST_LOOKED_AT = 16
"""Peers whose cuts are looked at, the most promising first."""

Promise = tuple[float, NodeView, HostedTier]
"""Seconds that something takes at least with a peer."""
Way = tuple[tuple[Station, int, int, Passage | None], ...]
"""Stations with the stages [first, last) that they run and the way of their input there."""


class Found(Struct, frozen=True, kw_only=True, gc=False):
    """One way to run stages over several nodes, before it is a candidate."""

    seconds: float
    cost: float
    way: Way


class Partners:
    """The nodes that host the very same artifact, this one among them."""

    def __init__(self, cost: CostModel, rules: Rules, own: HostedTier) -> None:
        self.cost = cost
        self.own = own
        self.items = cost.request.batch
        self.n_stages = len(own.stages)
        self.cuts = open_cuts(own.stages)
        self.by_name = cost.view.hosting.partners_of(own)
        self.here = cost.station(cost.view.own, own)
        self._rules = rules
        self._is_handled_here = cost.view.own.handling.is_known
        self.input_bytes = 0 if cost.request.partial is not None else cost.request.input_bytes
        self._prospects = Prospects(
            cost.view,
            own,
            items=self.items,
            input_bytes=self.input_bytes,
            item_bytes=cost.item_bytes,
            lossless=cost.request.lossless,
        )

    def prospect(self, node: NodeView, hosted: HostedTier) -> Prospect:
        """Return what tails on a peer take at best."""
        return self._prospects.of(node, hosted)

    def promising(self) -> Sequence[Promise]:
        """Return the peers with the least bounds, and the bounds."""
        hosts = self.by_name.values()
        if len(hosts) <= MOST_PEERS:  # All are looked at: a bound would spare nothing.
            return [(0.0, node, hosted) for node, hosted in hosts]
        bounds = self._bounds_s(hosts)
        return [(bound_s, node, hosted) for bound_s, _, node, hosted in nsmallest(_MOST_LOOKED_AT, bounds)]

    def _bounds_s(
        self, hosts: Iterable[tuple[NodeView, HostedTier]]
    ) -> Iterator[tuple[float, int, NodeView, HostedTier]]:
        """Yield the least seconds of any split with each peer: the head's wait is over before the tail's begins.

        What such requests take beyond their parts is in them, which may be less than nothing.
        """
        here, wait_s, prospect_of = self.here, self.cost.wait_s, self._prospects.of
        least_head_s = here.seconds[0][self.cuts[0]] * self.items
        least_here_s = here.said_s + min(here.head_loads_s) + least_head_s * here.crowd
        usable = self.cost.view.membership.usable
        others_s = self.cost.view.own.handling.of_others_s(self.own.artifact, inf)
        for number, (node, hosted) in enumerate(hosts):
            if node.profile.node_id in usable:
                best = prospect_of(node, hosted)
                there_s = wait_s(node, 0.0) if node.telemetry.backlog_s else 0.0
                beyond_s = self._least_handling_s(node, hosted, best) if node.handling.is_known else others_s
                yield max(least_here_s + best.least_s, there_s + best.least_tail_s) + beyond_s, number, node, hosted

    def _least_handling_s(self, node: NodeView, hosted: HostedTier, best: Prospect) -> float:
        """Return what a split with a peer that somebody has asked takes beyond its parts at least."""
        heads_s, passages, items = self.here.seconds[0], best.passages, self.items
        tails_s = node.times.spans(hosted, self.cost.item_bytes).seconds
        parts_s = ((cut, (heads_s[cut] + tails_s[cut][-1]) * items + seconds_of(passages[cut])) for cut in best.cuts)
        return min((self.cost.handling_s(node, self.own, (cut,), whole_s) for cut, whole_s in parts_s), default=0.0)

    def stations(self, hosts: Iterable[tuple[NodeView, HostedTier]]) -> Iterator[Station]:
        """Yield the peers that no rule forbids to receive what crosses a cut."""
        for node, hosted in hosts:
            if len(hosted.stages) == self.n_stages and self._rules.forbids_activations(node, hosted) is None:
                yield self.cost.station(node, hosted)

    def weigh(self, way: Way) -> Found:
        """Weigh a way by what differs between ways, seconds and joules alone: the cheap part of pricing it."""
        until_s = delay_s = joules = parts_s = 0.0
        before = self.here
        for station, first, last, passage in way:
            run_s = station.run_s(first, last)
            load_s = station.load_s(first, last)
            until_s = max(until_s, station.wait_s(first, last)) + load_s + run_s
            delay_s += run_s * station.crowd
            parts_s += run_s
            joules += station.run_joules(first, last) * station.weight + load_s * station.load_watts
            if passage is not None:
                until_s += passage.seconds
                parts_s += passage.seconds
                joules += before.radio_joules(passage.n_bytes) * before.weight
                joules += station.radio_joules(passage.n_bytes) * station.weight
            before = station
        if self._is_handled_here or before.node.handling.is_known:
            cuts = tuple([first for _, first, _, _ in way if first])
            until_s += self.cost.handling_s(before.node, self.own, cuts, parts_s)
        cost = joules + until_s * self.cost.price_watts + delay_s * self.cost.delay_watts
        return Found(seconds=until_s + delay_s, cost=cost, way=way)
