"""How the commands of the training side print and end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from meshd.errors import MeshError
from model_registry.errors import RegistryError
from policies.errors import OutputUnusable, PoliciesError


def run_command(app: Callable[[], object], told: Console) -> None:
    """Run a command line; what is wrong with what a person gave ends in two lines and status 1."""
    try:
        app()
    except (PoliciesError, RegistryError, MeshError) as error:
        _end(told, error.message, error.hint or "")
    except OSError as error:
        if error.filename is None:
            raise
        _end(told, f"{error.filename}: {error.strerror}.", "Check the path, and whether there is room and permission.")


def check_writable(path: Path | None, ending: str) -> None:
    """Find out whether a file can be written before what it shall hold is made; its folder is made if need be.

    Raises:
        OutputUnusable: it cannot, or its name does not end as the form's do.

    """
    if path is None:
        return
    if path.is_dir():
        raise OutputUnusable(f"{path} is a folder.", hint=f"Name a file in it, such as {path / ('report' + ending)}.")
    if path.suffix != ending:
        raise OutputUnusable(f"{path} is written in a form whose files end in {ending}.", hint="Name it so.")
    is_new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        hint = "Nothing was played yet. Name another file, or mend what is in the way."
        raise OutputUnusable(f"{path} cannot be written: {error.strerror}.", hint=hint) from error
    if is_new:
        path.unlink()


def _end(told: Console, message: str, hint: str) -> NoReturn:
    told.print(f"[red]{escape(message)}[/]\n{escape(hint)}", soft_wrap=True)
    raise SystemExit(1) from None


def print_result(result: Struct, tables: Iterable[Table], *, as_json: bool, width: int) -> None:
    """Print figures for programs, or tables for people: into a file ``width`` letters wide."""
    if as_json:
        print(msgspec.json.encode(result).decode())
        return
    paper = Console() if sys.stdout.isatty() else Console(width=width)
    for table in tables:
        paper.print(table)
