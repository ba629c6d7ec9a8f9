"""Recorded arrivals: a CSV file of the form of the Azure LLM inference traces.

``TIMESTAMP,ContextTokens,GeneratedTokens`` a line. Only when requests came, and how large one was beside the others, is
taken. A service far away has thousands of users and a home has few, so arrivals are thinned at random to a stream's
rate, and time runs at half its speed (``SPEED``): bursts and lulls last twice as long as recorded. A stream faster than
that allows is sped up until it fits.

The first three fifths of a recording belong to training, the next 15 % to validation, the last quarter to test.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policies.errors import FileUnusable
from policies.scenario.scenario import Split
from policies.scenario.toml_file import read_text

SPEED = 0.5
"""Seconds of a recording, or of what was fitted to one, that pass in one second of a world."""

_PARTS = {Split.TRAIN: (0.0, 0.6), Split.VALIDATION: (0.6, 0.75), Split.TEST: (0.75, 1.0)}
_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_FORM = (
    f"The first line is {','.join(_COLUMNS)}, and each after it a time such as 2023-11-16 18:17:03.98 and two numbers."
)
_FEWEST = 100


class ArrivalTrace:
    """Arrivals of one split of a recording."""

    def __init__(self, times_s: NDArray[np.float64], sizes: NDArray[np.float64], length_s: float) -> None:
        self.times_s = times_s
        """Ascending, in [0, length_s): float64[requests]."""
        self.size_ranks = sizes.argsort(kind="stable").argsort() / len(sizes)
        """Share of requests that are smaller than each: float64[requests]."""
        self.length_s = length_s

    @property
    def rate_per_s(self) -> float:
        """Return the mean requests a second."""
        return len(self.times_s) / self.length_s

    def drawn(
        self, rate_per_s: float, until_s: float, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return times in [0, until_s) at this mean rate, and how large each is: two of float64[requests].

        A size is the share of the recording's requests that are smaller.
        """
        speed = max(SPEED, rate_per_s / self.rate_per_s)
        start_s, span_s = rng.uniform(0.0, self.length_s), until_s * speed
        laps = range(int((start_s + span_s) // self.length_s) + 1)
        times_s = np.concatenate([self.times_s + lap * self.length_s for lap in laps]) - start_s
        ranks = np.tile(self.size_ranks, len(laps))
        kept = rng.random(len(times_s)) < rate_per_s / (self.rate_per_s * speed)
        kept &= (times_s >= 0.0) & (times_s < span_s)
        return times_s[kept] / speed, ranks[kept]


@cache
def arrivals_of(file: Path, split: Split) -> ArrivalTrace:
    """Return what of a recording belongs to a split.

    Raises:
        FileUnusable: the file is not of the form, or too short.

    """
    times_s, sizes = _recording(file.resolve())
    low, high = (share * times_s[-1] for share in _PARTS[split])
    mine = (times_s >= low) & (times_s < high)
    if mine.sum() < _FEWEST:
        problem = f"holds {mine.sum()} requests for {split} worlds, and bursts are not to be seen in so few."
        raise FileUnusable(file, None, problem, hint="Give a longer recording.")
    return ArrivalTrace(times_s[mine] - low, sizes[mine], float(high - low))


@cache
def _recording(file: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lines = csv.reader(read_text(file).splitlines())
    if tuple(next(lines, ())) != _COLUMNS:
        raise FileUnusable(file, 1, "has other columns than a recording of arrivals.", hint=_FORM)
    rows = [_row(line, number, file) for number, line in enumerate(lines, start=2)]
    if not rows:
        raise FileUnusable(file, None, "holds no arrivals.", hint=_FORM)
    table = np.array(sorted(rows), dtype=np.float64)
    return table[:, 0] - table[0, 0], table[:, 1]


def _row(line: list[str], number: int, file: Path) -> tuple[float, float]:
    try:
        stamp, context, _ = line
        return datetime.fromisoformat(stamp[:26]).replace(tzinfo=UTC).timestamp(), float(context)
    except ValueError:
        raise FileUnusable(file, number, f"'{','.join(line)[:80]}' is no arrival.", hint=_FORM) from None
