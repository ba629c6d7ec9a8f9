"""How the commands of the training side end."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

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
