"""Stages that run or wait on this node: a few slots, and a bounded queue behind them."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from meshd.core.ids import RequestId
from meshd.core.request import Priority

Token = tuple[RequestId, int]
"""A request and the number of the attempt."""

_URGENCY = {Priority.EMERGENCY: 0, Priority.NORMAL: 1, Priority.BACKGROUND: 2}


class RunQueue:
    """Most urgent first, the earlier deadline first among equals.

    A stage that was started holds its slot until it is :meth:`ended`, also when nobody waits for its result any more:
    the processor is busy all the same.
    """

    def __init__(self, slots: int, capacity: int) -> None:
        self._slots = slots
        self._capacity = capacity
        self._waiting: list[tuple[int, float, Token, float]] = []
        self._running: dict[Token, float] = {}

    @property
    def queued(self) -> int:
        """Return how many stages wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Return how many stages run."""
        return len(self._running)

    @property
    def is_full(self) -> bool:
        """Tell whether one more stage would have to push another out."""
        return len(self._waiting) >= self._capacity

    def can_take(self, priority: Priority) -> bool:
        """Tell whether a stage of this priority finds a place, if need be by pushing out a less urgent one."""
        return not self.is_full or max(self._waiting)[0] > _URGENCY[priority]

    def push(self, token: Token, priority: Priority, deadline_s: float, expected_s: float) -> Token | None:
        """Queue a stage; return the least urgent one if that is one too many, which may be the new one itself."""
        heappush(self._waiting, (_URGENCY[priority], deadline_s, token, expected_s))
        return self._pop_least_urgent() if len(self._waiting) > self._capacity else None

    def start(self) -> Token | None:
        """Give the next stage a slot; none when there is no slot or no stage."""
        if not self._waiting or len(self._running) >= self._slots:
            return None
        _, _, token, expected_s = heappop(self._waiting)
        self._running[token] = expected_s
        return token

    def ended(self, token: Token) -> None:
        """Free the slot of a stage; unknown ones are ignored."""
        self._running.pop(token, None)

    def withdraw(self, token: Token) -> None:
        """Take a waiting stage out; unknown ones are ignored."""
        kept = [entry for entry in self._waiting if entry[2] != token]
        if len(kept) != len(self._waiting):
            self._waiting = kept
            heapify(self._waiting)

    def backlog_s(self) -> float:
        """Return the predicted seconds until a stage that arrives now would start, if it is not urgent."""
        return self.wait_s(Priority.BACKGROUND)

    def wait_s(self, priority: Priority) -> float:
        """Return the same for a stage of this priority, which the less urgent ones let pass."""
        if len(self._running) < self._slots and not self._waiting:
            return 0.0
        before_s = sum(entry[3] for entry in self._waiting if entry[0] <= _URGENCY[priority])
        return (sum(self._running.values()) + before_s) / self._slots

    def _pop_least_urgent(self) -> Token:
        entry = max(self._waiting)
        self._waiting.remove(entry)
        heapify(self._waiting)
        return entry[2]
