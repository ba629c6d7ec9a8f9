"""Decision 31: how soon what was learned is right again after a change, and how often it is thrown away for nothing.

``python docs/decisions/measure/drift.py``
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import exp, inf
from statistics import mean
from timeit import timeit

from msgspec.structs import replace

from meshd.core.drift import Chart, Odds
from meshd.core.estimate import Estimate
from meshd.core.rate import Rate
from meshd.core.spans import MOST_OF_A_RUN

WITHIN = 0.2
"""Of the new truth: then it is known."""
N_TRIES, N_STEADY, N_BEFORE, N_MOST = 300, 100_000, 60, 400

chance = random.Random(31)  # noqa: S311 - nothing is to be kept secret


def scattered(spread: float, *, slow_share: float = 0.0, times: tuple[float, float] = (1.0, 1.0)) -> float:
    """Return what a run takes that takes 1 mostly, and a share of them so many times as long."""
    slow = chance.uniform(*times) if chance.random() < slow_share else 1.0
    return slow * exp(chance.gauss(0.0, spread))


RUNS: dict[str, Callable[[], float]] = {
    "scatter by 5 %": lambda: scattered(0.05),
    "by 15 %": lambda: scattered(0.15),
    "by 30 %": lambda: scattered(0.3),
    "by 15 %, 2 % pause (3 to 20 times)": lambda: scattered(0.15, slow_share=0.02, times=(3.0, 20.0)),
    "by 10 %, 5 % pause": lambda: scattered(0.1, slow_share=0.05, times=(3.0, 20.0)),
    "by 10 %, 10 % of them 5 times": lambda: scattered(0.1, slow_share=0.1, times=(5.0, 5.0)),
    "by 10 %, half of them 5 times": lambda: scattered(0.1, slow_share=0.5, times=(5.0, 5.0)),
}
FACTORS = (0.5, 0.67, 1.5, 2.0, 4.0)
RATES = ((0.1, 0.5), (0.2, 0.6), (0.05, 0.3), (0.5, 0.1), (0.3, 0.05), (0.1, 0.2))
_BLIND = Chart(mean=0.0, spread=inf)


def learned(known: Estimate, sample: float, *, watches: bool) -> Estimate:
    """Return an estimate after one more sample, with the test or as it was without."""
    known = known if watches else replace(known, chart=_BLIND)
    return known.updated(sample, 0.0, at_most=MOST_OF_A_RUN)


def rated(known: Rate, *, happened: bool, watches: bool) -> Rate:
    """Return a rate after one more sample, with the test or as it was without."""
    return (known if watches else replace(known, odds=Odds())).updated(happened=happened, now=0.0)


def run_lessons(run: Callable[[], float], usual: float, factor: float, *, watches: bool) -> float:
    """Return the mean number of lessons after runs have come to take ``factor`` times as long."""

    def one() -> int:
        known = Estimate.prior(usual, 0.0)
        for _ in range(N_BEFORE):
            known = learned(known, run(), watches=watches)
        for n in range(1, N_MOST):
            known = learned(known, factor * run(), watches=watches)
            if abs(known.mean - factor * usual) <= WITHIN * factor * usual:
                return n
        return N_MOST

    return mean(one() for _ in range(N_TRIES))


def rate_lessons(before: float, after: float, *, watches: bool) -> float:
    """Return the mean number of lessons after a rate has become another."""

    def one() -> int:
        known = Rate.believed(before, 0.0)
        for _ in range(N_BEFORE):
            known = rated(known, happened=chance.random() < before, watches=watches)
        for n in range(1, N_MOST):
            known = rated(known, happened=chance.random() < after, watches=watches)
            if abs(known.learned - after) <= WITHIN * after:
                return n
        return N_MOST

    return mean(one() for _ in range(N_TRIES))


def run_alarms(run: Callable[[], float], usual: float) -> float:
    """Return how often in 10,000 lessons another figure is seen where there is none."""
    known, found = Estimate.prior(usual, 0.0), 0
    for _ in range(N_STEADY):
        known = learned(known, run(), watches=True)
        found += known.has_drifted
    return found * 10_000 / N_STEADY


def rate_alarms(rate: float) -> float:
    """Return the same of a rate."""
    known, found = Rate.believed(rate, 0.0), 0
    for _ in range(N_STEADY):
        known = rated(known, happened=chance.random() < rate, watches=True)
        found += known.has_drifted
    return found * 10_000 / N_STEADY


def main() -> None:
    """Print both tables, and what a lesson takes."""
    for name, run in RUNS.items():
        usual = mean(run() for _ in range(N_STEADY))
        told = [
            f"{factor:g}: {run_lessons(run, usual, factor, watches=False):.1f} -> "
            f"{run_lessons(run, usual, factor, watches=True):.1f}"
            for factor in FACTORS
        ]
        print(f"{name:36} {' | '.join(told)} | false in 10,000: {run_alarms(run, usual):.1f}")
    for before, after in RATES:
        without, with_test = (rate_lessons(before, after, watches=watches) for watches in (False, True))
        print(f"rate {before} to {after}: {without:.0f} -> {with_test:.0f} | false: {rate_alarms(before):.1f}")
    known = learned(Estimate.prior(1.0, 0.0), 1.1, watches=True)
    chart = known.chart or _BLIND
    whole_us, chart_us = (timeit(what, number=100_000) * 10.0 for what in _timed(known, chart))
    print(f"a lesson: {whole_us:.2f} us, of that the test {chart_us:.2f} us")


def _timed(known: Estimate, chart: Chart) -> tuple[Callable[[], object], Callable[[], object]]:
    return lambda: known.updated(1.05, 1.0, at_most=6.0), lambda: chart.watched(1.05)


if __name__ == "__main__":
    main()
