"""How a rate varies around its mean, whoever recorded or computed it."""

from __future__ import annotations

from msgspec import Struct


class Variation(Struct, frozen=True, kw_only=True, gc=False):
    """Shares of a mean over time: piece ``i`` holds in [starts_s[i], starts_s[i + 1]), the last until ``length_s``."""

    name: str
    """Where it is from: a file, or what computed it."""
    starts_s: tuple[float, ...]
    """The first is 0."""
    shares: tuple[float, ...]
    """Their mean over ``length_s`` is 1; 0 where nothing passed."""
    length_s: float

    def pieces(self, offset_s: float, until_s: float) -> tuple[list[float], list[float]]:
        """Return starts and shares of the pieces in [0, until_s), begun at an offset and begun anew at the end."""
        starts_s, shares = [0.0], [0.0]
        lap_s = -(offset_s % self.length_s)
        while lap_s < until_s:
            for start_s, share in zip(self.starts_s, self.shares, strict=True):
                at_s = lap_s + start_s
                if at_s <= 0.0:
                    shares[0] = share
                elif at_s < until_s:
                    starts_s.append(at_s)
                    shares.append(share)
            lap_s += self.length_s
        return starts_s, shares
