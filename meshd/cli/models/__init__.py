"""``meshd models`` and its commands, one file for each group of them."""

from __future__ import annotations

import typer

from meshd.cli.models import listing

app = typer.Typer(help="List, import, check, sign, share and repair models.", invoke_without_command=True)
app.callback()(listing.models)
