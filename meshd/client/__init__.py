"""Ask a daemon for inferences: :class:`Client` from plain code, :class:`AsyncClient` from asyncio."""

from meshd.client.async_client import AsyncClient
from meshd.client.client import Client
from meshd.client.result import Result

__all__ = ["AsyncClient", "Client", "Result"]
