import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshd.host.notifier import Notifier


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """An init system that listens, on a socket file or an abstract name."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@meshd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as init:
        init.bind(name.replace("@", "\0", 1))
        init.settimeout(5)
        yield name, init


def test_each_state_is_one_datagram(heard: tuple[str, socket.socket]) -> None:
    name, init = heard
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready()
    notifier.status("3 nodes\nREADY=0")
    notifier.alive()
    notifier.stopping()
    assert [init.recv(200) for _ in range(4)] == [b"READY=1", b"STATUS=3 nodes READY=0", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_an_init_system_nothing_is_sent_and_nothing_fails() -> None:
    Notifier({}).ready()


def test_an_init_system_that_went_away_is_no_error(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time_if_it_watches_us(
    environment: dict[str, str], interval_s: float | None
) -> None:
    assert Notifier(environment).watchdog_interval_s == interval_s
