"""A median over the last measurements: one stalled run in between does not move it, and old ones are forgotten."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

_LASTS_S = 120.0
"""A device that was busy so long ago may be idle now; what it took then says little of what it takes."""


class MedianWindow:
    """Median of the latest values. Keeps them sorted, so that adding one costs a microsecond."""

    def __init__(self, length: int = 31, *, lasts_s: float = _LASTS_S) -> None:
        self._latest: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        self._length = length
        self._lasts_s = lasts_s
        self._careful: float | None = None

    def calibrate(self, value: float) -> None:
        """Take in one that counts for good: it was measured with care."""
        self._careful = value
        insort(self._sorted, value)

    def add(self, value: float, now_s: float) -> None:
        """Take a value in; the oldest goes when the window is full, and so does all that is too old."""
        if len(self._latest) == self._length:
            self._drop_oldest()
        while self._latest and now_s - self._latest[0][0] > self._lasts_s:
            self._drop_oldest()
        self._latest.append((now_s, value))
        insort(self._sorted, value)

    def median(self) -> float | None:
        """Return the middle value, the upper one of two; none while empty."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else None

    def careful(self) -> float | None:
        """Return what was measured with care last, whatever came since; the median where nothing was."""
        return self.median() if self._careful is None else self._careful

    def _drop_oldest(self) -> None:
        del self._sorted[bisect_left(self._sorted, self._latest.popleft()[1])]
