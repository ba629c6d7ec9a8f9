"""Credit: how much one side of a session may ask for before what it asked earlier has ended. Pure.

A request costs the bytes of its tensors, within bounds: tiny ones are not free, or a flood of them would have none, and
the largest one fits as soon as no other is out. The side that answers tells a total; it grows as requests end, and is
told again once it has grown by a quarter of the window, so that a request costs no message of its own.
"""

from __future__ import annotations

WINDOW_BYTES = 8 * 2**20
"""What may be out at a time on one session: 0.1 s of a link of 600 Mbit/s, and no burden to a watch."""
LEAST_COST_BYTES = 4 * 2**10
"""Of one request; the structs around its tensors take about as much memory."""


class Loan:
    """What this side grants the other, and what of it is out. Told once, at the opening, and as it grows."""

    def __init__(self, window_bytes: int = WINDOW_BYTES) -> None:
        self.granted_bytes = window_bytes
        """In total since the session opened, as the other side was told last."""
        self._window_bytes = window_bytes
        self._most_cost_bytes = _most_cost_bytes(window_bytes)
        self._taken_bytes = 0
        self._settled_bytes = 0
        self._out: dict[str, tuple[int, ...]] = {}

    def take(self, request_id: str, payload_bytes: int) -> bool:
        """Charge a request that has come; tell whether it was covered. One that was not is not charged."""
        cost = min(max(payload_bytes, LEAST_COST_BYTES), self._most_cost_bytes)
        if self._taken_bytes + cost > self.granted_bytes:
            return False
        self._taken_bytes += cost
        self._out[request_id] = (*self._out.get(request_id, ()), cost)
        return True

    def settle(self, request_id: str, *, only_last: bool = False) -> bool:
        """Give back what a request cost that has ended; tell whether the new total is worth a message.

        ``only_last``: it was the last message under this id that has ended, and not the request.
        """
        costs = self._out.pop(request_id, ())
        if only_last and len(costs) > 1:
            self._out[request_id], costs = costs[:-1], costs[-1:]
        self._settled_bytes += sum(costs)
        total = self._window_bytes + self._settled_bytes
        if total - self.granted_bytes < self._window_bytes // 4:
            return False
        self.granted_bytes = total
        return True


class Allowance:
    """What the other side grants this one; nothing until it has said so."""

    def __init__(self) -> None:
        self._most_cost_bytes = LEAST_COST_BYTES
        self._granted_bytes = 0
        self._spent_bytes = 0

    def grant(self, total_bytes: int) -> None:
        """Take note of the total that was told; the first one is the window."""
        if not self._granted_bytes:
            self._most_cost_bytes = _most_cost_bytes(total_bytes)
        self._granted_bytes = max(self._granted_bytes, total_bytes)

    def covers(self, payload_bytes: int) -> bool:
        """Tell whether a request may be sent now."""
        cost = min(max(payload_bytes, LEAST_COST_BYTES), self._most_cost_bytes)
        return self._spent_bytes + cost <= self._granted_bytes

    def take(self, payload_bytes: int) -> bool:
        """Charge a request that is about to be sent, if it may be; tell whether it may."""
        spent_bytes = self._spent_bytes + min(max(payload_bytes, LEAST_COST_BYTES), self._most_cost_bytes)
        if spent_bytes > self._granted_bytes:
            return False
        self._spent_bytes = spent_bytes
        return True

    def give_back(self, payload_bytes: int) -> None:
        """Take back the charge for a request that was not sent after all."""
        self._spent_bytes -= min(max(payload_bytes, LEAST_COST_BYTES), self._most_cost_bytes)


def _most_cost_bytes(window_bytes: int) -> int:
    """Return what a request costs at most: what is always left, once all have ended, before a new total is told."""
    return max(LEAST_COST_BYTES, window_bytes // 4 * 3)
