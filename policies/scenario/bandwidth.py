"""How fast a link is over time: constant between two moments, and nothing at all while it is lost."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from msgspec import Struct


class Bandwidth(Struct, frozen=True, kw_only=True, gc=False):
    """A piecewise constant rate; make one with :meth:`of`.

    Piece ``i`` holds in [starts_s[i], starts_s[i + 1]), the last one for ever. A rate of 0 is a lost link: what is
    under way waits. The last rate is above 0, so that everything arrives at some time.
    """

    starts_s: tuple[float, ...]
    """When each piece begins, seconds since the scenario began; the first is 0."""
    rates_bps: tuple[float, ...]
    """Bits per second of each piece."""
    carried_bytes: tuple[float, ...]
    """Bytes that a sender who never pauses has sent by the start of each piece."""

    @classmethod
    def of(cls, starts_s: Sequence[float], rates_bps: Sequence[float]) -> Bandwidth:
        """Return the bandwidth of these pieces.

        Raises:
            ValueError: there is no piece, one begins before its predecessor, or the last never carries anything.

        """
        if not starts_s or len(starts_s) != len(rates_bps) or starts_s[0] != 0.0:
            raise ValueError("a bandwidth needs a first piece at 0 s and one rate for each piece")
        lengths_s = [after - before for before, after in pairwise(starts_s)]
        if any(length_s <= 0.0 for length_s in lengths_s) or min(rates_bps) < 0.0 or rates_bps[-1] <= 0.0:
            raise ValueError("pieces follow one another, no rate is below 0, and the last one is above 0")
        carried = accumulate(
            (length_s * rate / 8.0 for length_s, rate in zip(lengths_s, rates_bps, strict=False)), initial=0.0
        )
        return cls(starts_s=tuple(starts_s), rates_bps=tuple(rates_bps), carried_bytes=tuple(carried))

    @classmethod
    def constant(cls, rate_bps: float) -> Bandwidth:
        """Return a bandwidth that never changes."""
        return cls.of([0.0], [rate_bps])

    def rate_bps(self, at_s: float) -> float:
        """Return the bits per second at a moment."""
        return self.rates_bps[bisect_right(self.starts_s, at_s) - 1]

    def sent_s(self, from_s: float, n_bytes: float) -> float:
        """Return when the last of ``n_bytes`` has been sent, the first being sent at ``from_s``."""
        piece = bisect_right(self.starts_s, from_s) - 1
        by_then = self.carried_bytes[piece] + (from_s - self.starts_s[piece]) * self.rates_bps[piece] / 8.0 + n_bytes
        last = bisect_left(self.carried_bytes, by_then) - 1
        if n_bytes <= 0.0 or last < 0:
            return from_s
        return self.starts_s[last] + (by_then - self.carried_bytes[last]) * 8.0 / self.rates_bps[last]
