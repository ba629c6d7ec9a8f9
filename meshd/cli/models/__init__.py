"""``meshd models`` and its commands, one file for each group of them."""

from __future__ import annotations

import typer

from meshd.cli.models import (
    checking,
    exporting,
    importing,
    listing,
    managing,
    publishing,
    recommending,
    showing,
    signing,
    splitting,
    verifying,
)

app = typer.Typer(help="List, import, check, sign, share and repair models.", invoke_without_command=True)
app.callback()(listing.models)
app.command("import")(importing.import_)
app.command()(checking.schema)
app.command()(checking.check)
app.command()(signing.sign)
app.command()(signing.publisher)
app.command()(publishing.trust)
app.command()(publishing.untrust)
app.command("publishers")(publishing.list_publishers)
app.command()(splitting.split)
app.command()(showing.show)
app.command()(exporting.export)
app.command()(recommending.recommend)
app.command()(managing.add)
app.command()(managing.fetch)
app.command()(managing.remove)
app.command()(managing.pin)
app.command()(managing.unpin)
app.command()(verifying.verify)
