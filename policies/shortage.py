"""What a joule of a battery is worth that runs empty: the misses that it would have put off.

Whoever looks seconds ahead of a decision does not see the end of a battery. But of a world that was played to its end
it is known: a joule less, drawn before a battery was empty, would have kept its node alive for 1 / drain seconds more,
in which requests came that then were missed. So it was worth what these misses cost in a second, divided by the watts
that drained the battery. That holds for the joule more or less that one decision is about; it is nothing for a battery
that lasted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from meshd.core.ids import NodeId
from policies.scenario import Battery, Scenario
from policies.scenario.happening import Kind
from policies.simulator.costs import BATTERY_EMPTY, Charge, Ended, Entry

_LEAST_SPELL_S = 10.0
"""A battery that ends just before its world does is not judged by one miss in a moment."""


class Shortage(Struct, frozen=True, kw_only=True):
    """One battery's way to its end, [from_s, until_s)."""

    from_s: float
    """The charger was last touched, or the world began."""
    until_s: float
    """It was empty."""
    price: float
    """Joules of cost for each joule drawn."""


class Shortages:
    """All of one world, as one policy played it."""

    def __init__(self, scenario: Scenario, entries: Sequence[Entry]) -> None:
        self._of = {
            node.node_id: tuple(_shortages(scenario, node.node_id, node.battery, entries))
            for node in scenario.nodes
            if node.battery is not None
        }

    def price(self, entry: Entry, *, seen_until_s: float) -> float:
        """Return what an entry costs beyond itself, in joules, to one who does not see what comes then.

        Who sees a battery empty sees the misses as well.
        """
        if not isinstance(entry, Charge):
            return 0.0
        ahead = (one for one in self._of.get(entry.node_id, ()) if one.until_s >= seen_until_s)
        return entry.joules * sum(one.price for one in ahead if one.from_s <= entry.at_s < one.until_s)


def _shortages(scenario: Scenario, node_id: NodeId, battery: Battery, entries: Iterable[Entry]) -> Iterator[Shortage]:
    own = [entry for entry in entries if entry.node_id == node_id]
    for from_s, to_s in pairwise(_charger_touched(scenario, node_id)):
        lacked = [one for one in own if _is_lack(one) and from_s <= one.at_s < to_s]
        if not lacked or lacked[0].at_s == from_s:
            continue
        until_s = lacked[0].at_s
        drawn = sum(one.joules for one in own if isinstance(one, Charge) and from_s <= one.at_s < until_s)
        watts = battery.demand_watts + drawn / (until_s - from_s)
        cost_watts = sum(one.cost for one in lacked) / max(_LEAST_SPELL_S, to_s - until_s)
        yield Shortage(from_s=from_s, until_s=until_s, price=cost_watts / watts)


def _charger_touched(scenario: Scenario, node_id: NodeId) -> list[float]:
    """Return the moments between which a node's battery only drains or only charges, the world's ends included."""
    moments = [
        happening.at_s
        for happening in scenario.happenings
        if happening.node_id == node_id and happening.kind in {Kind.CHARGES, Kind.DISCHARGES}
    ]
    return [0.0, *(at_s for at_s in moments if at_s < scenario.horizon_s), scenario.horizon_s]


def _is_lack(entry: Entry) -> bool:
    return isinstance(entry, Ended) and entry.code == BATTERY_EMPTY
