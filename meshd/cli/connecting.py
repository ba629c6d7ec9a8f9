"""Reach the daemon that the options name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from meshd.client import Client


def connect(endpoint: str | None, token: str | None = None) -> Client:
    """Return a client of the daemon that is named, or of the one on this device.

    Raises:
        BadParameter: what is named is no endpoint.
        ConfigInvalid: nothing is named, and the configuration that would say where the daemon is has a mistake.
    """
    from meshd.client import Client
    from meshd.client.endpoint import Endpoint
    from meshd.errors import ConfigInvalid

    try:
        named = Endpoint.parse(endpoint, token) if endpoint else None
    except ConfigInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--endpoint") from error
    return Client(named, name="meshd command")
