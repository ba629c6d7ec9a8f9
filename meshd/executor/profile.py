"""How long a model takes on this machine: measured at start, on inputs of zeros."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

from msgspec import Struct

LIMIT_S = 0.3
"""A daemon with ten models should still start within seconds."""
MOST_RUNS = 100
FEWEST_RUNS = 3


class Profile(Struct, frozen=True, kw_only=True):
    """Timings of one artifact on one machine."""

    compute_s: float
    """Median of one run of the smallest input the manifest allows, per item of the batch."""
    spread_s: float
    """Median distance from that median."""
    load_s: float
    """From cold to the end of the first run, reading and hashing the artifact included."""
    runs: int


def measure(run: Callable[[], float], *, load_s: float, limit_s: float = LIMIT_S) -> Profile:
    """Return a profile from runs that each tell their seconds per item, at most ``limit_s`` after the first three."""
    [profile] = measure_row(lambda: [run()], loads_s=[load_s], limit_s=limit_s)
    return profile


def measure_row(
    run: Callable[[], Sequence[float]], *, loads_s: Sequence[float], limit_s: float = LIMIT_S
) -> list[Profile]:
    """Return the profiles of several that run one after the other: each run tells the seconds per item of all."""
    times = [run() for _ in range(FEWEST_RUNS)]
    until = perf_counter() + limit_s
    while len(times) < MOST_RUNS and perf_counter() < until:
        times.append(run())
    return [_profile(taken, load_s) for taken, load_s in zip(zip(*times, strict=True), loads_s, strict=True)]


def _profile(times: Sequence[float], load_s: float) -> Profile:
    middle = median(times)
    spread_s = median(abs(time_s - middle) for time_s in times)
    return Profile(compute_s=middle, spread_s=spread_s, load_s=load_s, runs=len(times))
