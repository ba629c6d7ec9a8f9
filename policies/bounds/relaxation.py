"""What a request costs at least, whatever anybody decides: no policy costs less on the same world.

Each request is looked at alone, with everything else out of its way, and is let off all that some policy might spare
it. Let r be a request of b items whose client surely asks. Either nobody answers: then it costs at least the price of a
miss, and that of a hidden anomaly if some tier would have called it. Or the answer is of some tier t, which one node
has run, or several have run stages or items of. Then, at least:

- **Joules.** A slot takes ``active_watts`` for the true seconds of a run, divided equally among the m requests in it. A
  run of k items takes u * (1 + f * (k - 1)), with u for one item and f for a further one. Whoever is in it bears an
  m-th of that, and as k is at least m, no less than u * min(1, f). Luck and length are those of a run's first member,
  so u is the least of all requests for the model, where the node is as quick as it ever is. A joule counts as one
  from the mains where the node is ever on it, else 1. Loading, encoding, bytes, waking and tails count nothing.
- **Seconds.** The client waits for one item's run: items may run side by side.
- **The way.** Unless all ran where the client asked, one word left that node and one came back: their delays with the
  luck of this very request, by the quickest way out and the quickest way back.

Stages may each have run where that takes least. So r costs at least the least of no answer and of the answers of all
tiers, each with the price of a hidden anomaly where t hides one. A request whose node may be away, frozen or about to
leave counts 0. Entries of the ledger are never below 0, and each belongs to one request: what each request costs at
least adds up to what all of them cost at least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from msgspec import Struct

from meshd.core.ids import ArtifactHash, NodeId
from meshd.core.node import DeviceClass
from policies.bounds.presence import Presence
from policies.scenario import Arrival, Hosting, Kind, Link, Node, Scenario, salt

_ASKED, _TOLD, _KINDS = 1, 2, 4
"""Words on a wire have luck of their own by their kind, as in :mod:`policies.simulator.wires`."""


def least_cost(scenario: Scenario) -> float:
    """Return what no policy can be cheaper than on a world, over all its requests together."""
    presences = {node.node_id: Presence(node, scenario.happenings) for node in scenario.nodes}
    relaxation = Relaxation(scenario)
    return sum(
        relaxation.least(number, arrival)
        for number, arrival in enumerate(scenario.arrivals)
        if presences[arrival.node_id].asks_at(arrival.at_s)
    )


class _Unit(Struct, frozen=True, kw_only=True, gc=False):
    """What one item of a tier takes at least on one node."""

    node_id: NodeId
    model: str
    tier: DeviceClass
    artifact: ArtifactHash
    parts_s: tuple[float, ...]
    """One for the whole, or one for each stage."""
    further_item: float
    """As a share of the first one's seconds."""
    joules_per_s: float
    """At the least weight."""


class Relaxation:
    """The least that requests of one world cost."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._models = {model.name: model for model in scenario.models}
        self._units = [unit for node in scenario.nodes for hosting in node.hosted for unit in self._of(node, hosting)]

    def least(self, number: int, arrival: Arrival) -> float:
        """Return what a request costs at least whose client asks."""
        scenario, truth = self._scenario, arrival.truth
        alarm_at = self._models[arrival.request.model].alarm_at
        is_called = any(truth.called_by(tier, alarm_at) for tier in DeviceClass)
        hidden = scenario.missed_anomaly_joules
        unanswered = scenario.settings.miss_price_joules + hidden * (truth.is_anomaly and is_called)
        way_s = self._way_s(number, arrival)
        answers = (
            self._answered(arrival, tier, way_s) + hidden * truth.is_missed_by(tier, alarm_at) for tier in DeviceClass
        )
        return min(unanswered, *answers)

    def _answered(self, arrival: Arrival, tier: DeviceClass, way_s: float) -> float:
        """Return the least that an answer of a tier takes; infinity where nobody hosts it."""
        anywhere = [unit for unit in self._units if unit.tier is tier and unit.model == arrival.request.model]
        here = [unit for unit in anywhere if unit.node_id == arrival.node_id]
        return min(self._run(here, arrival, 0.0), self._run(anywhere, arrival, way_s))

    def _run(self, units: list[_Unit], arrival: Arrival, way_s: float) -> float:
        share = min([1.0, *(unit.further_item for unit in units)])
        seconds = _least_sum(units, lambda _: 1.0)
        joules = _least_sum(units, lambda unit: unit.joules_per_s)
        return share * joules + (seconds + way_s) * self._scenario.settings.price_watts(arrival.request.priority)

    def _way_s(self, number: int, arrival: Arrival) -> float:
        """Return the least delay of a word out and a word back; infinity without links."""
        node_id, links = arrival.node_id, self._scenario.links
        out = (self._delay_s(link, number, _ASKED) for link in links if link.sender == node_id)
        back = (self._delay_s(link, number, _TOLD) for link in links if link.receiver == node_id)
        return min(out, default=inf) + min(back, default=inf)

    def _delay_s(self, link: Link, number: int, kind: int) -> float:
        if not link.jitter:
            return link.delay_s
        way = salt(f"{link.sender} {link.receiver}")
        return link.delay_s * self._scenario.luck.lognormal(link.jitter, way, number * _KINDS + kind)

    def _of(self, node: Node, hosting: Hosting) -> Iterable[_Unit]:
        """Yield the whole, and the stages if there are any."""
        announced, factor = hosting.announced, self._least_factor(node, hosting)
        for parts_s in filter(None, ((hosting.compute_s,), hosting.stages_s)):
            yield _Unit(
                node_id=node.node_id,
                model=announced.model,
                tier=announced.tier,
                artifact=announced.artifact,
                parts_s=tuple(part_s * factor for part_s in parts_s),
                further_item=self._models[announced.model].further_item
                if hosting.further_item is None
                else hosting.further_item,
                joules_per_s=node.power.active_watts * _least_weight(self._scenario, node),
            )

    def _least_factor(self, node: Node, hosting: Hosting) -> float:
        """Return the least that a run on a node takes for any request of the model, as a share of its median."""
        factors = [
            self._luck(node, number) * _growth(hosting, arrival)
            for number, arrival in enumerate(self._scenario.arrivals)
            if arrival.request.model == hosting.announced.model
        ]
        befallen = (one for one in self._scenario.happenings if one.node_id == node.node_id)
        slowed = [one.factor for one in befallen if one.kind is Kind.SLOWS]
        heat = node.thermal.slowdown if node.thermal is not None else 1.0
        return min(factors, default=1.0) * min([1.0, *slowed]) * min(1.0, heat)

    def _luck(self, node: Node, number: int) -> float:
        spread = node.speed_spread
        return self._scenario.luck.lognormal(spread, salt(node.node_id), number) if spread else 1.0


def _least_sum(units: list[_Unit], weigh: Callable[[_Unit], float]) -> float:
    """Return the least of one run, each stage of it where that takes least; infinity without units."""
    rows: dict[tuple[ArtifactHash, int], list[tuple[float, ...]]] = {}
    for unit in units:
        weight = weigh(unit)
        rows.setdefault((unit.artifact, len(unit.parts_s)), []).append(tuple(part * weight for part in unit.parts_s))
    return min((sum(map(min, zip(*alike, strict=True))) for alike in rows.values()), default=inf)


def _growth(hosting: Hosting, arrival: Arrival) -> float:
    """Return how many times as long as its smallest input a request's item takes, at the least of the stages."""
    tier, item_bytes = hosting.announced, arrival.request.input_bytes / arrival.request.batch
    stages = [tier.stage_growth_at(stage, item_bytes) for stage in range(len(tier.stages))]
    return min([tier.growth_at(item_bytes), *stages])


def _least_weight(scenario: Scenario, node: Node) -> float:
    """Return the least that a joule of a node ever counts."""
    charges = any(one.node_id == node.node_id and one.kind is Kind.CHARGES for one in scenario.happenings)
    if node.battery is None or node.battery.is_charging or charges:
        return min(1.0, scenario.settings.mains_joule_weight)
    return 1.0
