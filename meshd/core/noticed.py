"""Which changes of what is known are worth weighing plans anew for."""

from __future__ import annotations

from collections.abc import Hashable

_SHARE = 0.05
"""A figure that moved by less changes no plan: predictions err by as much."""

LEAST_S = 20e-6
"""Nor does one that moved by less than this: weighing plans again takes longer."""


class Noticed:
    """Counts changes that matter; slow drifts of measured figures do once they have gone far enough."""

    def __init__(self, *, share: float = _SHARE) -> None:
        self.version = 0
        """Another one as soon as anything changed."""
        self.figures = 0
        """How many of these changes are figures that moved, and nothing else."""
        self._share = share
        self._figures: dict[Hashable, float] = {}

    def changed(self) -> None:
        """Take in a change of any other kind: whatever was weighed before may come out differently now."""
        self.version += 1

    def begin_anew(self) -> None:
        """Forget all figures: what they were of is another matter now."""
        self._figures.clear()
        self.version += 1

    def saw(self, name: Hashable, figure: float, *, least: float = LEAST_S) -> bool:
        """Take in a figure; return whether it counts, for it is far from what it was when it counted last."""
        known = self._figures.get(name)
        counts = known is None or not abs(figure - known) <= max(self._share * known, least)
        if counts:
            self._figures[name] = figure
            self.version += 1
            self.figures += 1
        return counts
