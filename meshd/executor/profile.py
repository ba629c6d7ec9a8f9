"""How long a model takes on this machine: measured at start, on inputs of zeros of a few lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from time import perf_counter

from msgspec import Struct
from msgspec.structs import replace

from meshd.errors import ExecutionFailed
from meshd.executor.length import Length

LIMIT_S = 0.3
"""A daemon with ten models should still start within seconds."""
MOST_RUNS = 100
FEWEST_RUNS = 3
LONGEST_ROW_S = 0.75
"""Lengths that might together take longer are not timed: all of them are run five times, while the daemon starts."""


class Profile(Struct, frozen=True, kw_only=True):
    """Timings of one artifact on one machine."""

    compute_s: float
    """Median of one run of the smallest input the manifest allows, per item of the batch."""
    spread_s: float
    """Median distance from that median."""
    load_s: float
    """From cold to the end of the first run, reading and hashing the artifact included."""
    runs: int
    sizes: tuple[int, ...] | None = None
    """Bytes of one item of the longer inputs that were timed as well; none where nobody tried."""
    growth: tuple[float, ...] = ()
    """How many times as long as the smallest input each of them takes."""


def measure(run: Callable[[], float], *, load_s: float, limit_s: float = LIMIT_S) -> Profile:
    """Return a profile from runs that each tell their seconds per item: three, and more while ``limit_s`` last."""
    [profile] = measure_row(lambda: [run()], loads_s=[load_s], limit_s=limit_s)
    return profile


def measure_row(
    run: Callable[[], Sequence[float]], *, loads_s: Sequence[float], limit_s: float = LIMIT_S
) -> list[Profile]:
    """Return the profiles of several that run one after the other: each run tells the seconds per item of all."""
    until = perf_counter() + limit_s
    times = [run() for _ in range(FEWEST_RUNS)]
    while len(times) < MOST_RUNS and perf_counter() < until:
        times.append(run())
    return [_profile(taken, load_s) for taken, load_s in zip(zip(*times, strict=True), loads_s, strict=True)]


def measure_lengths(
    run: Callable[[Length], float], lengths: Sequence[Length], *, load_s: float, limit_s: float = LIMIT_S
) -> Profile:
    """Return a profile of the first length that knows how much longer the others take.

    All run in turn, so that a busy moment slows down all of them alike.
    """
    timed = tuple(_affordable(run, lengths)) if len(lengths) > 1 else lengths

    def row() -> list[float]:
        if len(timed) > 1:  # Behind the longest it would find nothing of its own in the processor's caches.
            run(timed[0])
        return [run(length) for length in timed]

    profiles = measure_row(row, loads_s=[load_s] * len(timed), limit_s=limit_s)
    return grown(profiles, [length.item_bytes for length in timed])


def grown(profiles: Sequence[Profile], sizes: Sequence[int]) -> Profile:
    """Return the profile of the shortest input, with what those of the longer ones say beside it.

    What is longer never takes less; where it seems to, the shortest met a bad moment.
    """
    shortest = profiles[0]
    growth = accumulate((longer.compute_s / max(shortest.compute_s, 1e-9) for longer in profiles[1:]), max, initial=1.0)
    return replace(shortest, sizes=tuple(sizes[1:]), growth=tuple(growth)[1:])


def _affordable(run: Callable[[Length], float], lengths: Sequence[Length]) -> Iterator[Length]:
    """Yield the lengths, shortest first, up to one that takes too long were it to grow by the square, or fails."""
    seconds, row_s, before = 0.0, 0.0, lengths[0]
    for length in lengths:
        expected_s = seconds * (length.item_bytes / before.item_bytes) ** 2
        if length is not before and row_s + expected_s > LONGEST_ROW_S:
            return
        try:
            # The first run of a length takes memory, and longer than those after it; any may meet a pause of this node.
            seconds = min(run(length), run(length))
        except ExecutionFailed:
            if length is lengths[0]:
                raise
            return  # Axes may depend on each other in ways that no manifest tells.
        row_s, before = row_s + seconds, length
        yield length


def _profile(times: Sequence[float], load_s: float) -> Profile:
    middle = _middle(times)
    spread_s = _middle([abs(time_s - middle) for time_s in times])
    return Profile(compute_s=middle, spread_s=spread_s, load_s=load_s, runs=len(times))


def _middle(values: Sequence[float]) -> float:
    """Return the median, the upper one of two: a module for it takes half a megabyte of a watch."""
    return sorted(values)[len(values) // 2]
