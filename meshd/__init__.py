"""One daemon per device; together they are one inference machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshd.client import AsyncClient, Client, Result

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "Result", "__version__"]


def __getattr__(name: str) -> object:
    """Load the clients on first use: a daemon imports this package too, and has no memory for them."""
    if name in {"AsyncClient", "Client", "Result"}:
        from meshd import client  # noqa: PLC0415

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
