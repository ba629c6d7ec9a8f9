"""``meshd config``: look at the configuration without starting anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshd.cli.options import ConfigOption, JsonOption

app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)


@app.command()
def show(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show every setting in force, and where it comes from."""
    from meshd.cli import output
    from meshd.cli.view.config_view import config_view
    from meshd.config import load

    loaded = load(config)
    if json:
        output.show_json({"path": loaded.path, "settings": loaded.settings})
    else:
        output.show(config_view(loaded))


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="File to check; the one in use unless given.")] = None,
    json: JsonOption = False,
) -> None:
    """Find every mistake in a configuration file; exit code 1 when there is one."""
    from meshd.cli.output import show_json
    from meshd.config import load

    loaded = load(file)
    if json:
        show_json({"path": loaded.path, "valid": True})
    else:
        print(f"{loaded.path} is fine." if loaded.path else "There is no file; the defaults are in force.")


@app.command()
def schema(json: JsonOption = True) -> None:  # noqa: ARG001  It is JSON with and without the word.
    """Print the JSON Schema of the configuration file: every key with its meaning."""
    from meshd.cli.output import show_json
    from meshd.config.document import json_schema

    show_json(json_schema())
