"""How a policy does beside the heuristic on worlds that are there to choose by."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from statistics import fmean

from msgspec import Struct

from meshd.core.policy import LeastExpectedCost, Policy
from meshd.policy.guard import Guard
from meshd.policy.learned import LearnedPolicy
from policies.evaluation.play import request_cost
from policies.workers import Pool, Workers, in_order
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

    def __init__(self, worlds: Worlds, workers: Workers | None = None) -> None:
        self._worlds = worlds
        self._workers = workers or Pool()

    def compare(self, network: Path) -> list[Comparison]:
        """Return what a learned policy, guarded as it will be served, costs beside the heuristic, by family."""
        by_family = zip(self._worlds.families, self._costs(network), self._heuristic, strict=True)
        return [Comparison(family=family, policy=ours, heuristic=theirs) for family, ours, theirs in by_family]

    @cached_property
    def _heuristic(self) -> list[tuple[float, ...]]:
        return self._costs(None)

    def _costs(self, network: Path | None) -> list[tuple[float, ...]]:
        """Return what a request costs in each world, by family."""
        places = range(len(self._worlds.families))
        return list(in_order(self._workers, partial(_family_costs, self._worlds, network), places))


def mean_gain(compared: list[Comparison]) -> float:
    """Return the mean over families of the share of the heuristic's cost that is saved."""
    return fmean(one.gain for one in compared)


def _family_costs(worlds: Worlds, network: Path | None, family: int) -> tuple[float, ...]:
    policy: Policy = LeastExpectedCost() if network is None else Guard(LearnedPolicy(network))
    return tuple(request_cost(worlds.draw(family, seed), lambda: policy) for seed in range(worlds.n_seeds))
