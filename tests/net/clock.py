"""A clock that a test turns: whatever is due is called in order, each at its own time."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timer:
    """A call that may be called off."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Clock:
    """What scheduling takes."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Timer]] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._due, (when, len(self._due), timer))
        return timer

    def turn_to(self, when: float) -> None:
        """Let time pass up to then."""
        while self._due and self._due[0][0] <= when:
            self.now_s, _, timer = heapq.heappop(self._due)
            if timer.callback is not None:
                timer.callback()
        self.now_s = when
