"""What is told while an import works."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Somebody who watches; the command line draws a bar, tests listen."""

    def begin(self, what: str, steps: int) -> None:
        """Start one piece of work of so many steps; the piece before it has ended."""

    def advance(self, steps: int = 1) -> None:
        """Tell that steps of the present piece are done."""


class Unwatched:
    """Nobody watches."""

    def begin(self, what: str, steps: int) -> None:
        """Say nothing."""

    def advance(self, steps: int = 1) -> None:
        """Say nothing."""
