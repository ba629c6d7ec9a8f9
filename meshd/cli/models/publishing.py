"""``meshd models trust``, ``untrust`` and ``publishers``: decide whose models this node accepts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.options import ConfigOption, JsonOption
from meshd.errors import ConfigInvalid

if TYPE_CHECKING:
    from model_registry.trust.publisher import Publishers


def trust(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="What `meshd models publisher` printed at the publisher's.")
    ],
    name: Annotated[str, typer.Option("--name", help="What you call the publisher.")] = "",
    config: ConfigOption = None,
) -> None:
    """Accept a publisher's models; a running daemon looks at once what it has of them, and what peers lend."""
    _publishers(config).trust(key.lower(), name=name)
    print(key.lower())


def untrust(
    publisher: Annotated[str, typer.Argument(help="Its name, or the first digits of its key.")],
    config: ConfigOption = None,
) -> None:
    """Accept a publisher's models no longer; a running daemon stops running them within seconds."""
    publishers = _publishers(config)
    first, trusted = publisher.lower(), publishers.trusted()
    found = [key for key, known in trusted.items() if known.name == publisher or key.startswith(first)]
    if len(found) != 1:
        told = "no trusted publisher is called" if not found else "several trusted publishers are called"
        raise ConfigInvalid(f"{told} {publisher!r}.", hint="`meshd models publishers` shows names and keys.")
    publishers.untrust(found[0])
    if found[0] in publishers.trusted():
        raise ConfigInvalid(
            f"{publisher!r} is trusted by the configuration.", hint="Remove it there, from models.publishers."
        )
    print(f"{found[0]} is trusted no longer.")


def list_publishers(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the publishers whose models are accepted."""
    from meshd.cli.output import show, show_json
    from meshd.cli.view.publishers_view import publishers_view

    trusted = _publishers(config).trusted()
    if json:
        show_json([{"publisher": key, "name": known.name} for key, known in trusted.items()])
    else:
        show(publishers_view(trusted))


def _publishers(config: Path | None) -> Publishers:
    from meshd.config import load
    from model_registry.trust.publisher import Publishers

    loaded = load(config).config
    return Publishers(loaded.publishers_path, loaded.models.publishers)
