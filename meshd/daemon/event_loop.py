"""The event loop that a daemon runs on. Decision: docs/decisions/0021-event-loop.md."""

from __future__ import annotations

import asyncio


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return libuv's loop where uvloop is installed, and asyncio's own elsewhere; nothing but speed depends on it."""
    try:
        import uvloop  # noqa: PLC0415 - absent where no wheel exists.
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
