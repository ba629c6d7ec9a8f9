from __future__ import annotations

from math import exp

import pytest

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from policies.simulator import Charge, Costs, Ended, Use

WATCH = NodeId("watch")


def _costs() -> Costs:
    return Costs({WATCH: DeviceClass.WATCH})


def _charge(number: int, joules: float = 1.0, cost: float = 0.5) -> Charge:
    return Charge(at_s=float(number), node_id=WATCH, use=Use.COMPUTE, joules=joules, cost=cost, request=number)


def _ended(number: int) -> Ended:
    return Ended(at_s=float(number), node_id=WATCH, request=number, seconds=1.0, cost=0.25, tier=DeviceClass.WATCH)


def test_what_was_written_since_can_be_asked_for_across_pages() -> None:
    costs, entries = _costs(), [_charge(number) for number in range(6)]
    for entry in entries:
        costs.charge(entry)
        if entry.request in {1, 3}:
            costs.turn_page()
    assert len(costs) == 6
    assert [costs.since(n_entries) for n_entries in range(7)] == [entries[n_entries:] for n_entries in range(7)]


def test_a_page_that_is_turned_twice_holds_nothing_twice() -> None:
    costs = _costs()
    costs.charge(_charge(0))
    costs.turn_page()
    costs.turn_page()
    assert len(costs.since()) == len(costs) == 1


def test_what_comes_later_counts_less() -> None:
    costs = _costs()
    costs.charge(_charge(1))
    costs.end(_ended(3))
    assert costs.discounted(0, from_s=1.0, rate_per_s=0.0) == pytest.approx(0.75)
    assert costs.discounted(0, from_s=1.0, rate_per_s=0.1) == pytest.approx(0.5 + 0.25 * exp(-0.2))
    assert costs.discounted(1, from_s=1.0, rate_per_s=0.1) == pytest.approx(0.25 * exp(-0.2))


def test_joules_are_told_by_class_without_what_nodes_take_anyhow() -> None:
    costs = _costs()
    costs.charge(_charge(0, joules=2.0))
    costs.demanded(WATCH, 5.0)
    assert costs.joules_by_class() == {DeviceClass.WATCH: 2.0}
    assert costs.joules_by_class(with_demand=True) == {DeviceClass.WATCH: 7.0}
    assert (costs.joules(WATCH)[Use.COMPUTE], costs.joules(WATCH)[Use.DEMAND]) == (2.0, 5.0)


def test_an_arrival_costs_its_joules_and_its_end() -> None:
    costs = _costs()
    for number in (0, 1, 1):
        costs.charge(_charge(number))
    costs.end(_ended(1))
    assert costs.by_request() == {0: 0.5, 1: 1.25}
    assert [ended.request for ended in costs.ends] == [1]
    assert len(list(costs.charges)) == 3
