"""Nodes that are stopped and looked over at the end of every test."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.daemon.mesh import Member, introduced, join
from tests.daemon.processes import Household
from tests.daemon.processes import household as household_of

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


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Household]:
    """Return an empty household of real daemons; all that it started is ended."""
    with household_of(tmp_path) as made:
        yield made


@pytest.fixture
def trio(home: Household) -> Household:
    """Return a watch, a phone and a hub that run and see each other."""
    for name in ("watch", "phone", "hub"):
        home.add(name)
    home.start()
    return home
