"""A radio that falls asleep behind the last byte, and takes joules and time to wake."""

from __future__ import annotations

from policies.scenario import Radio


class Antenna:
    """When one node's radio is awake.

    Heartbeats are left out of this: they are as many whatever is decided, and ride on the sleeping connection that
    keeps a session open.
    """

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._awake_until_s = float("-inf")

    def is_asleep(self, at_s: float) -> bool:
        """Tell whether it has to be woken."""
        return at_s > self._awake_until_s

    def wake(self, at_s: float) -> float:
        """Wake it; return the seconds until the first byte."""
        self._awake_until_s = at_s + self._radio.wake_s
        return self._radio.wake_s

    def linger(self, last_byte_s: float) -> float:
        """Keep it awake behind a byte; return the joules that this adds to tails begun before."""
        until_s = last_byte_s + self._radio.tail_s
        seconds = until_s - max(last_byte_s, min(self._awake_until_s, until_s))
        self._awake_until_s = max(self._awake_until_s, until_s)
        return seconds * self._radio.tail_watts
