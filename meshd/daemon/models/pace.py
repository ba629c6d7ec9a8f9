"""How much to ask of a source at a time, so that nothing else on its link waits long."""

from __future__ import annotations

MOST_BYTES = 64 * 2**10
"""One write of :mod:`meshd.net.outgoing`. Four times as much moves a model faster, and requests beside it notice.

Source: docs/decisions/0015-fetching.md.
"""
LEAST_BYTES = 4096
SLOW_S = 0.2
"""A heartbeat or a request behind what was asked for should not wait longer; three heartbeats are missed after 3 s."""
QUICK_S = 0.05


class Pace:
    """Learns from how long answers took. It starts small: the first answer over a slow radio must not hold it up."""

    def __init__(self) -> None:
        self.batch_bytes = LEAST_BYTES

    def took(self, n_bytes: int, seconds: float) -> None:
        """Take in how long an answer with so many bytes was waited for."""
        if seconds > SLOW_S:
            self.batch_bytes = max(LEAST_BYTES, self.batch_bytes // 2)
        elif seconds < QUICK_S and n_bytes >= self.batch_bytes // 2:
            self.batch_bytes = min(MOST_BYTES, self.batch_bytes * 2)
