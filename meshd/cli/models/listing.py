"""``meshd models`` without a further word: what the mesh can run."""

from __future__ import annotations

import typer

from meshd.cli.connecting import connect
from meshd.cli.options import EndpointOption, JsonOption, TokenOption


def models(
    context: typer.Context, endpoint: EndpointOption = None, token: TokenOption = None, json: JsonOption = False
) -> None:
    """List the models of the mesh: their tiers, how good and how large, and where they run."""
    if context.invoked_subcommand is not None:
        return
    from meshd.cli.output import show, show_json
    from meshd.cli.view.models_view import models_view

    with connect(endpoint, token) as mesh:
        document = mesh.models()
    show_json(document) if json else show(models_view(document))
