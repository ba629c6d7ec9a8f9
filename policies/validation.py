"""How a policy does beside the heuristic on worlds that are there to choose by."""

from __future__ import annotations

from statistics import fmean

from msgspec import Struct

from meshd.core.policy import LeastExpectedCost, Policy
from policies.evaluation.play import request_cost
from policies.scenario import Scenario
from policies.worlds import Worlds


class Comparison(Struct, frozen=True, kw_only=True):
    """Costs of one family's worlds, in joules for each request that arrives; the same worlds in both."""

    family: str
    policy: tuple[float, ...]
    heuristic: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Return the share of the heuristic's cost that is saved, over all worlds."""
        return 1.0 - sum(self.policy) / sum(self.heuristic)


class Validation:
    """Worlds of their own, and what the heuristic costs there."""

    def __init__(self, worlds: Worlds) -> None:
        self._families = worlds.families
        self._scenarios = [
            [worlds.draw(place, seed) for seed in range(worlds.n_seeds)] for place in range(len(worlds.families))
        ]
        self._heuristic = [_costs(scenarios, LeastExpectedCost()) for scenarios in self._scenarios]

    def compare(self, policy: Policy) -> list[Comparison]:
        """Return what a policy costs beside the heuristic, by family."""
        return [
            Comparison(family=family, policy=_costs(scenarios, policy), heuristic=heuristic)
            for family, scenarios, heuristic in zip(self._families, self._scenarios, self._heuristic, strict=True)
        ]


def mean_gain(compared: list[Comparison]) -> float:
    """Return the mean over families of the share of the heuristic's cost that is saved."""
    return fmean(one.gain for one in compared)


def _costs(scenarios: list[Scenario], policy: Policy) -> tuple[float, ...]:
    return tuple(request_cost(scenario, lambda: policy) for scenario in scenarios)
