"""What several rules have in common: which candidates they choose among."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from meshd.core.candidate import Candidate, Observation


def allowed(observation: Observation) -> list[int]:
    """Return the indices of what may be chosen."""
    return [index for index, candidate in enumerate(observation.candidates) if candidate.reason is None]


def next_rung(observation: Observation) -> list[int]:
    """Return what may be chosen, and of a cascade that has begun the lowest tiers only, as the daemon's rule has it."""
    indices, candidates = allowed(observation), observation.candidates
    if observation.above is None or not indices:
        return indices
    lowest = min(candidates[index].tier.tier.rank for index in indices)
    return [index for index in indices if candidates[index].tier.tier.rank == lowest]


def least(indices: Sequence[int], costs: Sequence[float]) -> int:
    """Return the index of the least cost, which stands at the same position; the earlier one on a tie."""
    best, least_cost = -1, inf
    for index, cost in zip(indices, costs, strict=True):
        if best < 0 or cost < least_cost:
            best, least_cost = index, cost
    return best


def is_whole(candidate: Candidate) -> bool:
    """Tell whether one node runs it all."""
    return not candidate.legs and not candidate.shares
