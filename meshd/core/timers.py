"""When to look at which request again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush
from math import inf

from meshd.core.ids import RequestId
from meshd.core.life import Life

_TIMERS_PER_LIFE = 16
"""More timers than this per live request means that most belong to the past: time to sweep."""


class Timers:
    """A heap of times, one that counts for each request.

    A request whose time moves later keeps its timer: whoever is woken looks whether there is a reason yet, and waits
    on. Most requests end before their first timer, and cost one.
    """

    def __init__(self, lives: Mapping[RequestId, Life]) -> None:
        self._lives = lives
        self._heap: list[tuple[float, RequestId]] = []
        self.first_s = inf
        """A time before which none is due; cheaper than :attr:`next_s`, and possibly too soon."""

    @property
    def next_s(self) -> float:
        """Return when the next one is due; infinity when nothing waits."""
        while self._heap and not self._counts(self._heap[0]):
            heappop(self._heap)
        self.first_s = self._heap[0][0] if self._heap else inf
        return self.first_s

    def arm(self, at_s: float, life: Life) -> None:
        """Look at a request again then, or sooner if that was said before."""
        if at_s >= life.armed_s:
            return
        life.armed_s = at_s
        heappush(self._heap, (at_s, life.request.request_id))
        if len(self._heap) > _TIMERS_PER_LIFE * (len(self._lives) + 4):
            self._heap = [timer for timer in self._heap if self._counts(timer)]
            heapify(self._heap)
        self.first_s = self._heap[0][0]

    def due(self, now: float) -> Iterator[Life]:
        """Yield each live request whose time has come; it has no timer then."""
        while self._heap and self._heap[0][0] <= now:
            timer = heappop(self._heap)
            self.first_s = self._heap[0][0] if self._heap else inf
            if self._counts(timer):
                life = self._lives[timer[1]]
                life.armed_s = inf
                yield life

    def _counts(self, timer: tuple[float, RequestId]) -> bool:
        at_s, request_id = timer
        life = self._lives.get(request_id)
        return life is not None and life.armed_s == at_s
