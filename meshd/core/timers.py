"""When to look at which request again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

from meshd.core.ids import RequestId
from meshd.core.life import Life

_TIMERS_PER_LIFE = 16
"""More timers than this per live request means that most belong to the past: time to sweep."""


class Timers:
    """A heap of times. None is ever taken back: whoever is woken looks whether there is still a reason."""

    def __init__(self, lives: Mapping[RequestId, Life]) -> None:
        self._lives = lives
        self._heap: list[tuple[float, RequestId, int]] = []

    @property
    def next_s(self) -> float:
        """Return when the next one is due; infinity when nothing waits."""
        return self._heap[0][0] if self._heap else float("inf")

    def wake_at(self, at_s: float, life: Life) -> None:
        """Look at a request again then, for the sake of its present decision."""
        heappush(self._heap, (at_s, life.request.request_id, life.decision))
        if len(self._heap) > _TIMERS_PER_LIFE * (len(self._lives) + 4):
            self._heap = [timer for timer in self._heap if self._has_reason(timer)]
            heapify(self._heap)

    def due(self, now: float) -> Iterator[tuple[Life, int]]:
        """Yield each live request whose time has come, with the decision it was to be looked at for."""
        while self._heap and self._heap[0][0] <= now:
            _, request_id, decision = heappop(self._heap)
            if life := self._lives.get(request_id):
                yield life, decision

    def _has_reason(self, timer: tuple[float, RequestId, int]) -> bool:
        """Tell whether a timer is for the deadline of a live request (decision 0) or for its present decision."""
        _, request_id, decision = timer
        life = self._lives.get(request_id)
        return life is not None and decision in (0, life.decision)
