"""What came of one world under one policy."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.request import Priority
from policies.evaluation.counterfactual import Pair
from policies.scenario import Node, Scenario
from policies.simulator import Costs, Use

_SECONDS_PER_HOUR = 3600.0


class Outcome(Struct, frozen=True, kw_only=True):
    """One policy on one world."""

    policy: str
    family: str
    seed: int
    n_arrivals: int
    """Of the world, the same for all policies."""
    cost: float
    """Realised, of all requests together."""
    seconds: tuple[float, ...]
    """That each client waited who was answered, in no order."""
    foreground_seconds: tuple[float, ...] = ()
    """The same of requests that were not made in the background."""
    n_ended: int
    n_missed: int
    n_hidden: int
    """Anomalies that were not told."""
    joules: dict[str, float]
    """By class, for requests."""
    battery_hours: dict[str, float]
    """By class: how long real batteries, full at first, last at this draw; the mean of the nodes."""
    costs: dict[int, float]
    """Of each request, by its number."""
    beside_single: tuple[Pair, ...] = ()
    """Of requests that were looked at: what each cost, and would have, had it alone gone the single node's way."""

    @property
    def reward(self) -> float:
        """Return the mean reward of a request: minus its realised cost, in joules."""
        return -self.cost / max(1, self.n_arrivals)


def outcome(policy: str, scenario: Scenario, costs: Costs, beside_single: tuple[Pair, ...] = ()) -> Outcome:
    """Return what a ledger says."""
    ends, arrivals = list(costs.ends), scenario.arrivals
    answered = [ended for ended in ends if not ended.is_missed]
    foreground = [ended for ended in answered if arrivals[ended.request].request.priority is not Priority.BACKGROUND]
    return Outcome(
        policy=policy,
        family=scenario.family,
        seed=scenario.seed,
        n_arrivals=len(arrivals),
        cost=costs.cost,
        seconds=tuple(ended.seconds for ended in answered),
        foreground_seconds=tuple(ended.seconds for ended in foreground),
        n_ended=len(ends),
        n_missed=sum(ended.is_missed for ended in ends),
        n_hidden=sum(ended.hides_anomaly for ended in ends),
        joules={device_class.value: joules for device_class, joules in costs.joules_by_class().items()},
        battery_hours=_battery_hours(scenario, costs),
        costs=costs.by_request(),
        beside_single=beside_single,
    )


def _battery_hours(scenario: Scenario, costs: Costs) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for node in scenario.nodes:
        hours = _hours_of(node, costs)
        if hours is not None:
            found.setdefault(node.profile.device_class.value, []).append(hours)
    return {device_class: sum(hours) / len(hours) for device_class, hours in found.items()}


def _hours_of(node: Node, costs: Costs) -> float | None:
    """Return how long a node's battery lasts: the ledger's demand tells how long it was on, and so what it drew."""
    if node.battery is None or node.power.battery_joules is None or not node.battery.demand_watts:
        return None
    taken = costs.joules(node.node_id)
    on_s = taken[Use.DEMAND] / node.battery.demand_watts
    watts = sum(taken.values()) / on_s if on_s else node.battery.demand_watts
    return node.power.battery_joules / watts / _SECONDS_PER_HOUR
