"""Reach the daemon that the options name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshd.client import Client


def connect(endpoint: str | None, token: str | None = None) -> Client:
    """Return a client of the daemon that is named, or of the one on this device."""
    from meshd.client import Client
    from meshd.client.endpoint import Endpoint

    return Client(Endpoint.parse(endpoint, token) if endpoint else None, name="meshd command")
