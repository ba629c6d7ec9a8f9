"""What other ways out of a decision would have cost, beside the one that was taken.

A world is played twice. The first time a policy plays it, and its track is kept: what it chose, and what that cost. The
second time it is stopped at some of its decisions; each other way that a guard would let the policy choose is tried
beside the track (``tries.py``), and what it costs more is the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from meshd.core.candidate import WAIT, Observation
from meshd.core.policy import LeastExpectedCost, Policy
from meshd.policy.guard import Guard, is_within
from meshd.policy.layout import N_CANDIDATE, N_CONTEXT
from meshd.policy.learned import LearnedPolicy
from meshd.policy.record import Limits
from policies.draft import draft_of
from policies.env import N_ROWS, Rows, Seen, seen_of
from policies.scenario import Scenario
from policies.simulator import Simulator
from policies.tries import Reach, Track, Tries
from policies.worlds import Worlds


class Lookout(Reach, frozen=True, kw_only=True):
    """How labels are made."""

    share: float = 0.4
    """Of decisions that are labelled, at most."""
    most_decisions: int = 100
    """About so many of one world: a busy one has no more to teach than many others, and takes as long."""
    limits: Limits = Limits()
    """Of the guard behind which it will be served: what that refuses is not tried."""


class Labels(Struct, frozen=True, kw_only=True):
    """Decisions with what their ways would have cost."""

    seen: Rows
    """``float32[n, observation]``"""
    costs: NDArray[np.float32]
    """``float32[n, rows]``: joules beyond what the policy's own way cost; infinite where not tried."""
    scales: NDArray[np.float32]
    """``float32[n]``: what a request costs in that world, joules."""

    def __len__(self) -> int:
        """Return how many decisions they are."""
        return len(self.seen)

    def save(self, path: Path) -> None:
        """Write them as .npz, whole or not at all."""
        with draft_of(path) as draft:
            np.savez(draft, seen=self.seen, costs=self.costs, scales=self.scales)

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


class LabelTask(Struct, frozen=True, kw_only=True):
    """One world to be labelled, for a process of its own."""

    worlds: Worlds
    place: tuple[int, int]
    """Of its family and of its seed, in their rows."""
    lookout: Lookout
    policy: Path | None = None
    """Whose tracks; none: the heuristic's."""

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return f"labels of {self.worlds.families[self.place[0]]} {self.worlds.first_seed + self.place[1]}"


def label_task(task: LabelTask) -> Labels:
    """Label some decisions of one world."""
    policy = LeastExpectedCost() if task.policy is None else Guard(LearnedPolicy(task.policy))
    return label_world(task.worlds.draw(*task.place), policy, task.lookout, seed=task.place[1])


def label_world(scenario: Scenario, policy: Policy, lookout: Lookout, *, seed: int) -> Labels:
    """Label some decisions of one world that a policy without memory plays."""
    track, chance = Track.of(scenario, policy), np.random.default_rng(seed)
    tries = Tries(track, policy, lookout)
    share = min(lookout.share, lookout.most_decisions / max(1, len(track.marks)))
    simulator, number = Simulator(scenario), 0
    found: list[tuple[Rows, NDArray[np.float32]]] = []
    while (asked := simulator.next_choice()) is not None:
        own = track.marks[number].choice
        if chance.random() < share:
            seen = seen_of(asked)
            if others := _worth_trying(seen, asked.observation, own, lookout.limits):
                further = [tries.further_cost(simulator, asked, number, way) for way in others]
                found.append((seen.rows, _costs(seen, own, others, further)))
        simulator.choose(own)
        number += 1
    return Labels(
        seen=np.array([seen for seen, _ in found], np.float32).reshape(-1, N_ROWS * N_CANDIDATE + N_CONTEXT),
        costs=np.array([costs for _, costs in found], np.float32).reshape(-1, N_ROWS),
        scales=np.full(len(found), track.cost / max(1, len(scenario.arrivals)), np.float32),
    )


def _worth_trying(seen: Seen, observation: Observation, own: int, limits: Limits) -> list[int]:
    """Return the other ways that a guard lets a policy choose, to wait among them."""
    rule = LeastExpectedCost().choose(observation)
    ways = [way for way in seen.shown if is_within(limits, observation, way, rule)]
    return [way for way in (*ways, *([WAIT] if seen.mask[-1] else [])) if way != own]


def _costs(seen: Seen, own: int, others: Sequence[int], further: Sequence[float]) -> NDArray[np.float32]:
    """Return what ways cost beyond the policy's own in the rows of what was seen, ``float32[rows]``."""
    costs = np.full(N_ROWS, inf, np.float32)
    costs[seen.row_of(own)] = 0.0
    for way, joules in zip(others, further, strict=True):
        costs[seen.row_of(way)] = joules
    return costs
