"""This node's radio: awake for a while after each use, and what waking it costs is paid once for all that share it."""

from __future__ import annotations

from math import inf

from msgspec import Struct, field

from meshd.core.recent import Recent

_WAKINGS_FADE_S = 60.0
"""A minute ago counts a third: how soon it will be awake again is what waiting for it rests on."""


class Radio(Struct, kw_only=True):
    """When it was used last, and how often it woke."""

    tail_s: float
    """How long it stays awake behind a use."""
    used_s: float = -inf
    wakings: int = 0
    recent: Recent = field(default_factory=lambda: Recent(fades_in_s=_WAKINGS_FADE_S))
    """Wakings."""

    def wakes(self, now: float) -> int:
        """Return 1 if it would have to be woken now, else 0."""
        return int(now - self.used_s > self.tail_s)

    def lengthens_s(self, now: float) -> float:
        """Return by how much longer it is awake if it is used now."""
        return min(self.tail_s, now - self.used_s)

    def used(self, now: float) -> int:
        """Note that it is awake; return 1 if it had to be woken, else 0."""
        woke = int(now - self.used_s > self.tail_s)
        self.used_s = now
        if woke:
            self.wakings += 1
            self.recent.happened(now)
        return woke
