"""How much longer a run takes of a longer input: read off between the few lengths at which it was timed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache


@lru_cache(maxsize=4096)
def growth_at(item_bytes: float, smallest_bytes: int, sizes: Sequence[int], growth: Sequence[float]) -> float:
    """Return how many times as long as the smallest input one of ``item_bytes`` takes.

    Bytes stand for length: whatever axes are free, a longer input has more of them. Between two lengths that were timed
    a run is taken to grow evenly, and beyond the last as it did before it. Whoever announces lengths that do not ascend
    is believed as far as they do.
    """
    before_bytes, before, slope = float(smallest_bytes), 1.0, 0.0
    for n_bytes, times in zip(sizes, growth, strict=False):
        if n_bytes <= before_bytes:
            continue
        slope = (times - before) / (n_bytes - before_bytes)
        if item_bytes <= n_bytes:
            return before + slope * max(0.0, item_bytes - before_bytes)
        before_bytes, before = float(n_bytes), times
    return before + max(0.0, slope) * max(0.0, item_bytes - before_bytes)
