"""A median over the last measurements: one stalled run in between does not move it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque


class MedianWindow:
    """Median of the latest values. Keeps them sorted, so that adding one costs a microsecond."""

    def __init__(self, length: int = 31) -> None:
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []
        self._length = length

    def add(self, value: float) -> None:
        """Take a value in; the oldest goes when the window is full."""
        if len(self._latest) == self._length:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(value)
        insort(self._sorted, value)

    def median(self) -> float | None:
        """Return the middle value, the upper one of two; none while empty."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else None
