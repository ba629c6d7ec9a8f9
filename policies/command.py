"""How the commands of the training side print and end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from meshd.errors import MeshError
from model_registry.errors import RegistryError
from policies.errors import PoliciesError


def run_command(app: Callable[[], object], told: Console) -> None:
    """Run a command line; what is wrong with what a person gave ends in two lines and status 1."""
    try:
        app()
    except (PoliciesError, RegistryError, MeshError) as error:
        told.print(f"[red]{escape(error.message)}[/]\n{escape(error.hint or '')}", soft_wrap=True)
        raise SystemExit(1) from None


def print_result(result: Struct, tables: Iterable[Table], *, as_json: bool, width: int) -> None:
    """Print figures for programs, or tables for people: into a file ``width`` letters wide."""
    if as_json:
        print(msgspec.json.encode(result).decode())
        return
    paper = Console() if sys.stdout.isatty() else Console(width=width)
    for table in tables:
        paper.print(table)
