"""What each way out of a decision would have cost on the true future.

A decision is labelled by trying: the running world is copied for each way, each copy goes that way and then on by a
plain rule, for so long that what hangs on the decision shows. The copies have the same luck, so they differ by the
decision alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from math import exp, inf
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from meshd.core.candidate import WAIT, Observation
from meshd.core.policy import LeastExpectedCost, Policy
from policies.env import MeshEnv, Rows, Terms
from policies.simulator import Ended, Simulator
from policies.simulator.terrain import number_of
from policies.worlds import Worlds


class Lookout(Struct, frozen=True, kw_only=True):
    """How labels are made."""

    look_ahead_s: float = 20.0
    """What comes later counts only where it belongs to the request itself, as it does when it waits."""
    most_ways: int = 5
    """Tried at most: the cheapest by their predictions, and waiting."""
    share: float = 0.15
    """Of decisions that are labelled."""
    wander: float = 0.15
    """Share of decisions in which anything is done, so that the labels know more than the paths of one rule."""


class Labels(Struct, frozen=True, kw_only=True):
    """Decisions with what their ways would have cost."""

    seen: Rows
    """``float32[n, observation]``"""
    costs: NDArray[np.float32]
    """``float32[n, rows]``: joules, discounted; infinite where a way was not tried."""
    scales: NDArray[np.float32]
    """``float32[n]``: what a decision costs in that world, in the mean over its labels' best ways, joules."""

    def __len__(self) -> int:
        """Return how many decisions they are."""
        return len(self.seen)

    @property
    def regrets(self) -> NDArray[np.float32]:
        """Return what each way costs beyond the best one; infinite where it was not tried."""
        regrets: NDArray[np.float32] = self.costs - self.costs.min(axis=1, keepdims=True)
        return regrets

    def save(self, path: Path) -> None:
        """Write them as .npz."""
        np.savez(path, seen=self.seen, costs=self.costs, scales=self.scales)

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read them again."""
        with np.load(path) as file:
            return cls(seen=file["seen"], costs=file["costs"], scales=file["scales"])


def joined_labels(parts_of: Sequence[Labels]) -> Labels:
    """Return all as one."""
    return Labels(
        seen=np.concatenate([part.seen for part in parts_of]),
        costs=np.concatenate([part.costs for part in parts_of]),
        scales=np.concatenate([part.scales for part in parts_of]),
    )


def label_worlds(
    worlds: Worlds, terms: Terms, lookout: Lookout, *, per_family: int, n_processes: int
) -> Iterator[Labels]:
    """Yield the labels of so many worlds of each family, world by world."""
    places = [(family, seed) for seed in range(per_family) for family in range(len(worlds.families))]
    if n_processes == 1:
        yield from (label_world(worlds, place, terms, lookout) for place in places)
        return
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(label_world, worlds, place, terms, lookout) for place in places]
        yield from (task.result() for task in tasks)


def label_world(worlds: Worlds, place: tuple[int, int], terms: Terms, lookout: Lookout) -> Labels:
    """Play one world by the plain rule, wandering now and then; label some decisions on the way."""
    env, rule = MeshEnv(worlds, terms), LeastExpectedCost()
    chance = np.random.default_rng(place)
    seen, _ = env.reset(options={"scenario": worlds.draw(*place)})
    found: list[tuple[Rows, NDArray[np.float32]]] = []
    while (asked := env.asked) is not None:
        action = env.action_of(rule.choose(asked.observation))
        if chance.random() < lookout.share:
            costs = _costs(env, terms, lookout, rule)
            found.append((seen, costs))
            action = int(costs.argmin())
        elif chance.random() < lookout.wander:
            action = int(chance.choice(np.flatnonzero(env.action_masks())))
        seen, *_ = env.step(np.int64(action))
    return _labels(found, env)


def future_cost(simulator: Simulator, choice: int, *, rule: Policy, look_ahead_s: float, rate_per_s: float) -> float:
    """Return what follows from a choice, in joules discounted by time; the simulator stays as it is.

    That is what all requests cost in [now, now + look_ahead_s), and what this one costs until it has ended.
    """
    copied = simulator.copy()
    asked = copied.next_choice()
    assert asked is not None, "there is something to choose"
    number, n_before = number_of(asked.observation.request_id), len(copied.costs)
    until_s = asked.now + look_ahead_s
    copied.choose(choice)
    while (later := copied.next_choice()) is not None:
        if later.now >= until_s and _is_over(copied, number, n_before):
            break
        copied.choose(rule.choose(later.observation, later.view, later.now))
    return sum(
        entry.cost * exp(-rate_per_s * (entry.at_s - asked.now))
        for entry in copied.costs.since(n_before)
        if entry.at_s < until_s or entry.request == number
    )


def _is_over(simulator: Simulator, number: int, n_before: int) -> bool:
    return any(isinstance(entry, Ended) and entry.request == number for entry in simulator.costs.since(n_before))


def _costs(env: MeshEnv, terms: Terms, lookout: Lookout, rule: Policy) -> NDArray[np.float32]:
    """Return what each way of a decision would cost, ``float32[rows]``."""
    assert env.asked is not None, "there is something to choose"
    costs = np.full(env.n_rows, inf, dtype=np.float32)
    for choice in _ways(env.asked.observation, lookout.most_ways):
        costs[env.action_of(choice)] = future_cost(
            env.simulator,
            choice,
            rule=rule,
            look_ahead_s=lookout.look_ahead_s,
            rate_per_s=terms.discount_rate_per_s,
        )
    return costs


def _ways(observation: Observation, most: int) -> list[int]:
    """Return the ways worth a try."""
    candidates, may_wait = observation.candidates, observation.wait_s is not None
    allowed = [index for index, candidate in enumerate(candidates) if candidate.allowed]
    cheapest = sorted(allowed, key=lambda index: candidates[index].prediction.cost)[: most - may_wait]
    rule = LeastExpectedCost().choose(observation)
    return [*cheapest, *([rule] if rule not in cheapest else []), *([WAIT] if may_wait else [])]


def _labels(found: list[tuple[Rows, NDArray[np.float32]]], env: MeshEnv) -> Labels:
    n_columns = env.observation_space.shape[0]
    costs = np.array([costs for _, costs in found], dtype=np.float32).reshape(-1, env.n_rows)
    scale = float(costs.min(axis=1).mean()) if found else 0.0
    return Labels(
        seen=np.array([seen for seen, _ in found], dtype=np.float32).reshape(-1, n_columns),
        costs=costs,
        scales=np.full(len(found), scale, dtype=np.float32),
    )
