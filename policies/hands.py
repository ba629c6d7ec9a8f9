"""What takes tasks up, whether processes of a pool or Ray: begun one by one, and taken back as they end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

Handle = TypeVar("Handle")


class Hands(Protocol[Handle]):
    """What takes tasks up, as a pool's processes and Ray each do it."""

    @property
    def room(self) -> int:
        """Return how many tasks may be under way."""
        ...

    def begin(self, attempt: Callable[[], Any]) -> Handle:
        """Begin a task."""
        ...

    def ended(self, handles: Sequence[Handle]) -> Sequence[Handle]:
        """Wait until some have ended, and return these."""
        ...

    def result(self, handle: Handle) -> Any:
        """Return what came of one that has ended; raises :class:`Lost` where nothing did."""
        ...


class Lost(Exception):
    """A process gave nothing back; the text says what the library says of it."""


def first_line(error: Exception) -> str:
    """Return what an error says, without what a library tells beyond it."""
    return str(error).partition("\n")[0]
