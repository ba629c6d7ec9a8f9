"""A clock that a test turns: whatever is due is called in order, each at its own time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable


class Clock:
    """Of an event loop, what scheduling takes."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, when: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, (), asyncio.get_running_loop())
        heapq.heappush(self._due, (when, len(self._due), handle))
        return handle

    def turn_to(self, when: float) -> None:
        """Let time pass up to then."""
        while self._due and self._due[0][0] <= when:
            self.now_s, _, handle = heapq.heappop(self._due)
            if not handle.cancelled():
                handle._run()
        self.now_s = when
