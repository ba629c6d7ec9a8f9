"""What a sweep found: each point over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from msgspec import Struct
from scipy import stats

from policies.sweep.trial import Judged, Trial

_CONFIDENCE = 0.95


class PointResult(Struct, frozen=True, kw_only=True):
    """One point."""

    name: str
    rewards: dict[int, float]
    """By seed."""
    reward: float
    """Their mean."""
    ci95: tuple[float, float] | None
    """Of the mean, by Student's t over seeds; none with one seed."""
    rule: float
    """The heuristic's reward on the same worlds."""
    gain: float
    """Share of the heuristic's cost that is saved, the mean over seeds."""


class SweepResult(Struct, frozen=True, kw_only=True):
    """All points, the best first."""

    command: str
    points: list[PointResult]


def result_of(judged: Iterable[tuple[Trial, Judged]], command: str) -> SweepResult:
    """Return what trials come to."""
    points: dict[str, dict[int, Judged]] = {}
    for trial, one in judged:
        points.setdefault(trial.point, {})[trial.recipe.seed] = one
    found = [_point(name, by_seed) for name, by_seed in points.items()]
    return SweepResult(command=command, points=sorted(found, key=lambda point: (-point.reward, point.name)))


def _point(name: str, by_seed: dict[int, Judged]) -> PointResult:
    rewards = {seed: by_seed[seed].reward for seed in sorted(by_seed)}
    return PointResult(
        name=name,
        rewards=rewards,
        reward=fmean(rewards.values()),
        ci95=interval(list(rewards.values())),
        rule=fmean(one.rule for one in by_seed.values()),
        gain=fmean(one.gain for one in by_seed.values()),
    )


def interval(numbers: Sequence[float]) -> tuple[float, float] | None:
    """Return the interval of the mean of a few numbers; none of one."""
    if len(numbers) == 1:
        return None
    half = float(stats.t.ppf(0.5 + _CONFIDENCE / 2.0, len(numbers) - 1) * stats.sem(numbers))
    return fmean(numbers) - half, fmean(numbers) + half
