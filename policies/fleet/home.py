"""One home of a fleet: a world of its own, lived in under each policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from policies.evaluation.contender import Contender
from policies.evaluation.outcome import Outcome, outcome
from policies.evaluation.play import play
from policies.fleet.spread import Spread
from policies.scenario import Scenario, Split, draw


class Home(Struct, frozen=True, kw_only=True):
    """One home: a family says what stands in it, a seed which devices, how fast, and all luck."""

    family: str
    seed: int
    contenders: tuple[Contender, ...]
    split: Split | None = None
    horizon_s: float | None = None
    """Only so much of it is lived; none: to its end."""
    traces: Path | None = None
    arrivals: Path | None = None

    @property
    def name(self) -> str:
        """Return what a person calls it, and finds it again by."""
        return f"{self.family} {self.seed}" + (f" as {self.split}" if self.split else "")

    def draw(self) -> Scenario:
        """Return its world."""
        scenario = draw(self.family, self.seed, split=self.split, traces=self.traces, arrivals=self.arrivals)
        return scenario if self.horizon_s is None else shortened(scenario, self.horizon_s)


class Life(Struct, frozen=True, kw_only=True):
    """One home under one policy. No request of it is kept: a fleet has millions."""

    policy: str
    reward: float
    """Mean of a request: minus its cost in joules."""
    seconds: Spread
    """That clients waited who were answered."""
    tail_ms: dict[str, float]
    """Of these ``p50_ms``, ``p95_ms`` and ``p99_ms``, exactly; nothing where nobody was answered."""
    n_ended: int
    n_missed: int
    n_hidden: int
    """Anomalies that were not told."""
    joules: dict[str, float]
    """By class, for requests."""
    battery_hours: dict[str, float]
    """By class."""


def live(home: Home) -> list[Life]:
    """Return a home's life under each of its contenders, in their order."""
    scenario = home.draw()
    return [
        _life(outcome(one.name, scenario, play(scenario, lambda: one.policy(home.family))))  # noqa: B023 - called at once
        for one in home.contenders
    ]


def shortened(scenario: Scenario, horizon_s: float) -> Scenario:
    """Return the first [0, horizon_s) of a world; what was asked before then still runs to its end."""
    arrivals = tuple(arrival for arrival in scenario.arrivals if arrival.at_s < horizon_s)
    return replace(scenario, horizon_s=min(horizon_s, scenario.horizon_s), arrivals=arrivals)


def _life(one: Outcome) -> Life:
    return Life(
        policy=one.policy,
        reward=one.reward,
        seconds=Spread.of(one.seconds),
        tail_ms=_tail_ms(one.seconds),
        n_ended=one.n_ended,
        n_missed=one.n_missed,
        n_hidden=one.n_hidden,
        joules=one.joules,
        battery_hours=one.battery_hours,
    )


def _tail_ms(seconds: tuple[float, ...]) -> dict[str, float]:
    percents = (50, 95, 99) if seconds else ()
    return {f"p{percent}_ms": float(np.percentile(seconds, percent) * 1e3) for percent in percents}
