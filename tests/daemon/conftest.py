"""Nodes that are stopped and looked over at the end of every test."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.daemon.mesh import Member, introduced, join

MakeMember = Callable[..., Member]


@pytest_asyncio.fixture
async def member(tmp_path: Path) -> AsyncIterator[MakeMember]:
    """Make nodes; at the end nothing may be left of any request in any of them."""
    made: list[Member] = []

    def make(device_class: str, **options: Any) -> Member:
        made.append(Member(tmp_path, device_class, **options))
        return made[-1]

    yield make
    for one in made:
        await one.stop()
    for one in made:
        one.check_nothing_left()


@pytest_asyncio.fixture
async def household(member: MakeMember) -> tuple[Member, Member, Member]:
    """Return a watch, a phone and a hub that know each other."""
    watch, phone, hub = member("watch"), member("phone"), member("hub")
    join(watch, phone)
    join(phone, hub)
    join(watch, hub)
    await introduced(watch, phone, hub)
    return watch, phone, hub
