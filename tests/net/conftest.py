"""The sessions' tests run on both loops: a daemon has uvloop's where there is one, clients have what they have."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from meshd.daemon.event_loop import new_event_loop

ON_BOTH = {"test_session.py", "test_tls.py", "test_peering.py", "test_endpoint.py", "test_unread.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the loops that a test runs on."""
    of_a_daemon = {"daemon's": new_event_loop} if item.path.name in ON_BOTH else {}
    return {"asyncio": asyncio.new_event_loop, **of_a_daemon}


# libuv opens a pipe for signals with its first loop and keeps it for good: here, so that no test seems to leak it.
new_event_loop().close()
