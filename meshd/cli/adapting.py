"""``meshd policy``: what requests have taught the policy of this device."""

from __future__ import annotations

import typer

from meshd.cli.connecting import connect
from meshd.cli.options import EndpointOption, JsonOption, TokenOption

app = typer.Typer(help="Look after what requests have taught the policy.", no_args_is_help=True)


@app.callback()
def _commands() -> None:
    """Keep the name of the only command a word of its own."""


@app.command()
def reset(endpoint: EndpointOption = None, token: TokenOption = None, json: JsonOption = False) -> None:
    """Have the daemon forget what ways have really cost (`scheduler.adapt`); it begins to learn anew."""
    from meshd.cli.output import show_json

    with connect(endpoint, token) as mesh:
        done = mesh.reset_policy()
    show_json(done) if json else print(done.sentence)
