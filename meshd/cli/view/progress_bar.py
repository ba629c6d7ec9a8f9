"""What long work shows on stderr while it goes on: one line that says at what it is, and how far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class ProgressBar:
    """One piece of work after the other, each with its number of steps."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._piece: TaskID = bar.add_task("starting", total=None)

    def begin(self, what: str, steps: int) -> None:
        """Show another piece of work; one of a single step has no measurable share, and the bar only moves."""
        self._bar.reset(self._piece, description=what, total=steps if steps > 1 else None)

    def advance(self, steps: int = 1) -> None:
        """Show that so many steps are done."""
        self._bar.advance(self._piece, steps)

    def reach(self, done: int, of: int) -> None:
        """Show how far the work is, where that is told in other steps than it was begun with."""
        self._bar.update(self._piece, completed=done, total=of)


@contextmanager
def progress_bar() -> Iterator[ProgressBar]:
    """Give a bar that is gone when the work is done; where stderr is no terminal, nothing is shown."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield ProgressBar(bar)
