"""All commands in one tree. Each imports what it needs when it runs, so that help and completion come at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from meshd import __version__
from meshd.cli import (
    adapting,
    benchmarking,
    configuring,
    demonstrating,
    inferring,
    models,
    planning,
    reading,
    running,
    trusting,
)
from meshd.cli.exits import told_as_exit_code

app = typer.Typer(
    name="meshd",
    help="Your watch, phone and home hub become one inference machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)

app.command()(running.run)
app.command()(demonstrating.demo)
app.command()(benchmarking.bench)
app.command()(inferring.infer)
app.command()(planning.plan)
app.command()(reading.status)
app.command()(reading.peers)
app.command()(reading.explain)
app.command("id")(trusting.identify)
app.add_typer(models.app, name="models")
app.add_typer(trusting.app, name="trust")
app.add_typer(adapting.app, name="policy")
app.add_typer(configuring.app, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"meshd {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that come before a command."""


def run(words: Sequence[str]) -> None:
    """Run one command line and end the process with its exit code."""
    with told_as_exit_code():
        app(list(words))
