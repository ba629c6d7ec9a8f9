"""Measure what record 0022 states: what one more stage and one less cost a queue under overload.

Run: `.venv/bin/python docs/decisions/measure/run_queue.py`
"""

from collections.abc import Callable
from heapq import heapify, heappush
from random import Random
from time import perf_counter

from meshd.core.ids import RequestId
from meshd.core.request import Priority
from meshd.core.run_queue import RunQueue, Token, Waiting

SIZES = (256, 1_024, 10_000)
N_TIMED = 500


class Heap:
    """The queue as it was: a heap, searched for its largest and for whoever leaves."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: list[tuple[float, Token]] = []

    def push(self, token: Token, deadline_s: float) -> None:
        """Queue a stage, and shed the last if that is one too many."""
        heappush(self._entries, (deadline_s, token))
        if len(self._entries) > self._capacity:
            self._entries.remove(max(self._entries))
            heapify(self._entries)

    def withdraw(self, token: Token) -> None:
        """Take a stage out."""
        self._entries = [entry for entry in self._entries if entry[1] != token]
        heapify(self._entries)


class Line:
    """The queue as it is."""

    def __init__(self, capacity: int) -> None:
        self._queue = RunQueue(1, capacity)
        self.withdraw = self._queue.withdraw

    def push(self, token: Token, deadline_s: float) -> None:
        """Queue a stage, and shed the last if that is one too many."""
        self._queue.push(Waiting(token=token, priority=Priority.NORMAL, deadline_s=deadline_s, expected_s=0.001))


def measure(make: Callable[[int], Heap | Line], size: int) -> str:
    """Return what one more stage and one less cost a full queue."""
    draw, queue = Random(size), make(size)  # noqa: S311 - the same stages for both
    tokens = [(RequestId(f"r{number}"), number) for number in range(size + N_TIMED)]
    for token in tokens[:size]:
        queue.push(token, draw.random())
    begun = perf_counter()
    for token in tokens[size:]:
        queue.push(token, draw.random())
    pushed = perf_counter()
    for token in draw.sample(tokens, N_TIMED):
        queue.withdraw(token)
    ended = perf_counter()
    return f"{(pushed - begun) / N_TIMED * 1e6:8.1f} {(ended - pushed) / N_TIMED * 1e6:8.1f} us"


def main() -> None:
    """Measure and print."""
    print("a full queue of        push and shed, withdraw")
    for size in SIZES:
        print(f"{size:6}  heap, searched {measure(Heap, size)}")
        print(f"{size:6}  list in order  {measure(Line, size)}")


if __name__ == "__main__":
    main()
