"""How far a session with a mesh is, shown where a person watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from policies.mesh.daemons import Tell
from policies.mesh.recording import Stage


@contextmanager
def shown(console: Console) -> Iterator[Stage]:
    """Give what shows a bar for each stage."""
    with Progress(console=console) as progress:

        def stage(what: str) -> Tell:
            task = progress.add_task(what, total=None)
            return lambda n_asked, n_all: progress.update(task, completed=n_asked, total=n_all)

        yield stage
