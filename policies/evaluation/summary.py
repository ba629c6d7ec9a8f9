"""Figures of each policy and of the differences between them, with how sure they are.

Intervals are of 95 %, from a bootstrap over seeds: each family's worlds are drawn again with replacement, all policies
on the same ones, and families weigh alike (Efron and Tibshirani 1993, percentile intervals).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from policies.evaluation.outcome import Outcome

_DRAWS = 4000
_SEED = 20261121
_CONFIDENCE = 95.0
MARGIN_SHARE, MARGIN_JOULES = 0.1, 0.01
"""A request is worse off when it costs more by a tenth and ten millijoules."""

Floats = NDArray[np.float64]
Row = Mapping[int, Outcome]
"""Outcomes of one policy on one family, by seed."""
Rows = Mapping[str, Mapping[str, Row]]
"""By policy, by family, by seed."""


class Figures(Struct, frozen=True, kw_only=True):
    """One policy on one family, or on all."""

    reward: float
    """Mean of a request, the mean over worlds: minus its cost in joules, what is missed and waited for included."""
    ci95: tuple[float, float] | None
    """None where a family has a single world: nobody knows how far others would be from it."""
    p50_ms: float | None
    """Of requests that were answered, those that waited for a cheaper moment included; none where none was."""
    p95_ms: float | None
    p99_ms: float | None
    p99_foreground_ms: float | None = None
    """Of those in the foreground alone, which no policy can have wait for a cheaper moment."""
    deadline_miss: float
    """Share of requests without an answer by their deadlines."""
    joules: dict[str, float]
    """By device class, for requests, mean of a world."""
    worse_than_single: float | None
    """Share of requests that cost more, beyond the margin, than if each alone had gone the best single node's way.

    Families weigh alike; none where no request was looked at. See :mod:`policies.evaluation.counterfactual`.
    """
    n_beside_single: int
    """Of how many requests that is told."""
    worse_than_single_world: float | None
    """Share of requests that cost more, beyond the margin, than in a world that the best single node serves alone.

    Two worlds drift apart whoever decides better; beside the share above it tells by how much.
    """
    battery_hours: dict[str, float]
    """By device class."""
    missed_anomalies: float
    """Share of requests that hid an anomaly which a larger tier would have told."""
    n_worlds: int


class Difference(Struct, frozen=True, kw_only=True):
    """By how much the mean reward of a request is above another policy's on the same worlds."""

    difference: float
    low: float | None
    high: float | None
    """Of its interval, which is none where a family has a single world."""


class Closed(NamedTuple):
    """How much of the way from the best baseline to the planner is gone."""

    share: float | None
    """None where the planner is not ahead: then there is no way to go."""
    ci95: tuple[float, float] | None
    """None where a family has a single world that was planned, or the planner's lead may be chance."""


def rows_of(rows: Rows, policy: str, families: Sequence[str]) -> list[Row]:
    """Return the outcomes of a policy, one row for each family, empty where it played none of its worlds."""
    return [rows[policy].get(family, {}) for family in families]


def figures(rows: Sequence[Row], singles: Sequence[Row] | None) -> Figures:
    """Return the figures of a policy: one row a family, one of them filled; ``singles`` are the best single node's."""
    worlds = [world for row in rows for world in row.values()]
    p50, p95, p99 = _percentiles_ms([world.seconds for world in worlds], 50, 95, 99)
    (p99_foreground,) = _percentiles_ms([world.foreground_seconds for world in worlds], 99)
    n_ended = max(1, sum(world.n_ended for world in worlds))
    rewards = [_rewards(row) for row in rows if row]
    return Figures(
        reward=mean_reward(rows),
        ci95=interval(bootstrap(rewards)),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        p99_foreground_ms=p99_foreground,
        deadline_miss=sum(world.n_missed for world in worlds) / n_ended,
        joules=_means([world.joules for world in worlds]),
        worse_than_single=_worse_than_single(rows),
        n_beside_single=sum(len(world.beside_single) for world in worlds),
        worse_than_single_world=_worse_than(rows, singles) if singles is not None else None,
        battery_hours=_means([world.battery_hours for world in worlds]),
        missed_anomalies=sum(world.n_hidden for world in worlds) / n_ended,
        n_worlds=len(worlds),
    )


def mean_reward(rows: Sequence[Row]) -> float:
    """Return the mean reward of a request; worlds weigh alike within a family, and families among each other."""
    return _mean_of_means([_rewards(row) for row in rows if row])


def _percentiles_ms(seconds: Sequence[Sequence[float]], *shares: float) -> list[float | None]:
    """Return percentiles of what worlds have together; none where that is nothing."""
    waited = np.concatenate([np.array(one) for one in seconds])
    return (np.percentile(waited, shares) * 1e3).tolist() if len(waited) else [None] * len(shares)


def difference(ours: Sequence[Row], theirs: Sequence[Row]) -> Difference:
    """Return how much better the first is, world by world."""
    return mean_difference([ours], theirs)


def mean_difference(many: Sequence[Sequence[Row]], theirs: Sequence[Row]) -> Difference:
    """Return how much better many that played the same worlds are on average, world by world.

    The interval is over worlds, for these very ones: it does not tell how far others like them would be.
    """
    by_family = zip(*(_gains(ours, theirs) for ours in many), strict=True)
    gains: list[Floats] = [np.mean(of_each, axis=0) for of_each in by_family]
    low, high = interval(bootstrap(gains)) or (None, None)
    return Difference(difference=_mean_of_means(gains), low=low, high=high)


def gap_closed(ours: Sequence[Row], best: Sequence[Row], planner: Sequence[Row]) -> Closed:
    """Return how much of the way from the best baseline to the planner is gone, on the worlds that were planned.

    It is what the policy gains over the baseline, the mean over families, divided by what the planner does. The
    interval is of the same ratio on redrawn worlds; the baseline is the same in all of them, whichever would be best
    there. A redraw in which the planner is barely ahead makes a very large share, of either sign, and counts like any
    other: percentiles mind its place and not its size. One in which the planner is not ahead has no share and is left
    out. Where the interval of the planner's lead holds zero, any share could be (Fieller 1954): then there is none.
    """
    gained, lead = _gains(on_worlds_of(ours, planner), best), _gains(on_worlds_of(planner, ours), best)
    whole = _mean_of_means(lead)
    share = _mean_of_means(gained) / whole if whole > 0.0 else None
    return Closed(share=share, ci95=_interval_of_ratio(bootstrap(gained), bootstrap(lead)))


def _gains(ours: Sequence[Row], theirs: Sequence[Row]) -> list[Floats]:
    """Return by how much the first is better on each world that both played, by family; no family without such."""
    gains = [
        np.array([row[seed].reward - other[seed].reward for seed in sorted(row.keys() & other.keys())])
        for row, other in zip(ours, theirs, strict=True)
    ]
    return [row for row in gains if len(row)]


def on_worlds_of(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Return the worlds that others played as well."""
    return [{seed: row[seed] for seed in row.keys() & other.keys()} for row, other in zip(rows, others, strict=True)]


def _interval_of_ratio(above: Floats, below: Floats) -> tuple[float, float] | None:
    """Return the interval of a ratio, draw by draw; none where what stands below may as well be 0."""
    known = interval(below)
    if known is None or known[0] <= 0.0:
        return None
    is_above_zero = below > 0.0
    return interval(above[is_above_zero] / below[is_above_zero])


def bootstrap(rows: Sequence[Floats]) -> Floats:
    """Return means over families of means over redrawn worlds: ``float64[draws]``.

    No draws where a family has a single world: all of them would be the same, and look certain.
    """
    if min(map(len, rows), default=0) < 2:
        return np.zeros(0)
    generator = np.random.default_rng(_SEED)
    means = [row[generator.integers(len(row), size=(_DRAWS, len(row)))].mean(axis=1) for row in rows]
    drawn: Floats = np.mean(means, axis=0)
    return drawn


def _rewards(row: Row) -> Floats:
    return np.array([row[seed].reward for seed in sorted(row)])


def _mean_of_means(rows: Sequence[Floats]) -> float:
    return float(np.mean([row.mean() for row in rows])) if rows else float("nan")


def interval(drawn: Floats) -> tuple[float, float] | None:
    """Return what 95 % of the draws lie in; none where there are none."""
    if not len(drawn):
        return None
    tail = (100.0 - _CONFIDENCE) / 2.0
    low, high = np.percentile(drawn, [tail, 100.0 - tail])
    return float(low), float(high)


def _means(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for table in tables:
        for name, number in table.items():
            found.setdefault(name, []).append(number)
    return {name: float(np.mean(numbers)) for name, numbers in sorted(found.items())}


def _worse_than(rows: Sequence[Row], others: Sequence[Row]) -> float:
    n_worse = n_all = 0
    for row, other in zip(rows, others, strict=True):
        for seed in row.keys() & other.keys():
            mine, theirs = row[seed].costs, other[seed].costs
            both = mine.keys() & theirs.keys()
            n_all += len(both)
            n_worse += sum(is_worse(mine[one], theirs[one]) for one in both)
    return n_worse / max(1, n_all)


def is_worse(cost: float, other: float) -> bool:
    """Tell whether a request cost more than another way, beyond the margin."""
    return cost > other * (1.0 + MARGIN_SHARE) + MARGIN_JOULES


def _worse_than_single(rows: Sequence[Row]) -> float | None:
    pairs_of = [[pair for world in row.values() for pair in world.beside_single] for row in rows]
    shares = [float(np.mean([is_worse(pair.own, pair.single) for pair in pairs])) for pairs in pairs_of if pairs]
    return float(np.mean(shares)) if shares else None
