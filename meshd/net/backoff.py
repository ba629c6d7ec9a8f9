"""How long to wait before dialling again. Pure: chance is an argument."""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 0.25
"""A daemon that is restarting listens again after about a second; the third try meets it."""

MOST_S = 15.0
"""An advert wakes a sleeping dialler at once, so this only bounds how long a peer without mDNS stays unnoticed.
Longer, and a static peer's return is felt; shorter, and a sleeping phone's radio is woken for nothing."""


class Backoff:
    """Doubles the delay from try to try, and spreads it so that nodes cut off together do not return together."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._next_s = FIRST_S

    def delay_s(self) -> float:
        """Return the next delay: between half of it and all of it, as ``jitter`` (0..1) says."""
        delay_s = self._next_s
        self._next_s = min(2 * delay_s, MOST_S)
        return delay_s * (0.5 + 0.5 * self._jitter())

    def reset(self) -> None:
        """Start over after a success or with fresh hope."""
        self._next_s = FIRST_S
