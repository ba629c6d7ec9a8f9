"""Large frames that have begun to come and are not complete: what they take is bounded over all sessions together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from meshd.wire.frame import MAX_PAYLOAD_BYTES


class Arriving:
    """All of them in this process. Where they want too much, the one that has been silent for longest is given up.

    Whoever sends without a pause loses to nobody who only holds on to memory.
    """

    def __init__(self, most_bytes: int = 4 * MAX_PAYLOAD_BYTES) -> None:
        self._most_bytes = most_bytes
        self._total_bytes = 0
        self._begun: dict[Arrival, int] = {}
        """The longest silent one first."""

    def goes_on(self, arrival: Arrival, n_bytes: int) -> None:
        """Take note that something has come of a frame that takes so many bytes when it is complete."""
        self._total_bytes += n_bytes - self._begun.pop(arrival, 0)
        self._begun[arrival] = n_bytes
        while self._total_bytes > self._most_bytes and len(self._begun) > 1:
            next(iter(self._begun)).give_up("its frame was the slowest of more than there is room for.")

    def end(self, arrival: Arrival) -> None:
        """Forget a frame that is complete or given up."""
        self._total_bytes -= self._begun.pop(arrival, 0)


ALL_ARRIVING = Arriving()
"""Memory is the process's, whoever the sessions belong to."""


class Arrival:
    """One session's frame of these, if it has any; given up as well when nothing more of it comes."""

    def __init__(self, give_up: Callable[[str], None], *, stalled_s: float, among: Arriving) -> None:
        self._give_up = give_up
        self._stalled_s = stalled_s
        self._among = among
        self._loop = asyncio.get_running_loop()
        self._came_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.began = False
        """Whether there is one."""

    def goes_on(self, n_bytes: int) -> None:
        """Take note that something has come of a frame that takes so many bytes; of none where that is 0."""
        if n_bytes == 0:
            self.end()
            return
        self._came_s = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._stalled_s, self._check)
            self.began = True
        self._among.goes_on(self, n_bytes)

    def end(self) -> None:
        """Expect nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.began = False
            self._among.end(self)

    def give_up(self, why: str) -> None:
        """End the frame, and with it the session that it came on."""
        self.end()
        self._give_up(why)

    def _check(self) -> None:
        left_s = self._came_s + self._stalled_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._check)
        else:
            self.give_up(f"nothing more of its frame has come for {self._stalled_s:g} s.")
