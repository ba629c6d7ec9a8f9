"""A device that warms with work and slows down for it."""

from __future__ import annotations

from math import exp

from policies.scenario import Thermal


class Warmth:
    """Follows d(heat)/dt = (busy - heat) / time constant, exactly, from one change of ``busy`` to the next."""

    def __init__(self, thermal: Thermal | None, now: float) -> None:
        self._thermal = thermal
        self._heat = thermal.heat if thermal is not None else 0.0
        self._is_throttled = thermal is not None and self._heat >= thermal.throttles_at
        self._busy = 0.0
        self._at_s = now

    @property
    def slowdown(self) -> float:
        """Return how many times as long as cool a run takes that begins now."""
        return self._thermal.slowdown if self._thermal is not None and self._is_throttled else 1.0

    def pass_time(self, now: float, busy: float) -> None:
        """Warm or cool until now; from now on this share of the slots is busy.

        Between two such moments heat only rises or only falls, so that the end tells which bound was crossed last.
        """
        thermal = self._thermal
        if thermal is None:
            return
        share = exp((self._at_s - now) / thermal.time_constant_s)
        self._heat = self._busy + (self._heat - self._busy) * share
        if self._heat >= thermal.throttles_at:
            self._is_throttled = True
        elif self._heat <= thermal.recovers_at:
            self._is_throttled = False
        self._busy, self._at_s = busy, now
