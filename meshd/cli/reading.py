"""The commands that only read: ``status``, ``peers``, ``explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from meshd.cli.connecting import connect
from meshd.cli.exits import Exit
from meshd.cli.options import EndpointOption, JsonOption, TokenOption


def status(endpoint: EndpointOption = None, token: TokenOption = None, json: JsonOption = False) -> None:
    """Show how the daemon is; exit code 4 when it is not healthy."""
    from meshd.cli.output import show, show_json
    from meshd.cli.view.status_view import status_view

    with connect(endpoint, token) as mesh:
        document = mesh.status()
    show_json(document) if json else show(status_view(document))
    if not document.healthy:
        raise typer.Exit(Exit.UNHEALTHY)


def peers(endpoint: EndpointOption = None, token: TokenOption = None, json: JsonOption = False) -> None:
    """List the other nodes: which are alive, how far away, and what is wrong with the rest."""
    from meshd.cli.output import show, show_json
    from meshd.cli.view.peers_view import peers_view

    with connect(endpoint, token) as mesh:
        document = mesh.peers()
    show_json(document) if json else show(peers_view(document))


def explain(
    request: Annotated[str | None, typer.Argument(help="Id of a request; the latest unless given.")] = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Tell why a request went where it went: what was weighed, what was forbidden and why, what came of it."""
    from meshd.cli.output import show, show_json
    from meshd.cli.view.explain_view import explain_view

    with connect(endpoint, token) as mesh:
        document = mesh.explain(request)
    show_json(document) if json else show(explain_view(document))
