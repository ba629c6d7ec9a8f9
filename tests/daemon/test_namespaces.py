"""Three machines of their own, as far as the network can tell: real multicast, real addresses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.processes import Device, Household, check_climbed, household
from tests.daemon.toys import GRAVE, MODEL, window
from tests.net.namespaces import namespaces, needs_namespaces

pytestmark = pytest.mark.slow


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Household]:
    """Return a watch, a phone and a hub, each in a network namespace, joined by a bridge."""
    needs_namespaces()
    with namespaces(3) as machines, household(tmp_path) as home:
        for name, machine in zip(("watch", "phone", "hub"), machines, strict=True):
            home.add(name).prefix = ("ip", "netns", "exec", machine.name)
        home.start(listen={"host": "0.0.0.0"}, discovery={"interfaces": []})
        yield home


def test_daemons_on_three_machines_find_each_other_and_answer_a_cascade(apart: Household) -> None:
    watch = apart.devices["watch"]
    with watch.client() as client:
        check_climbed(client.infer(MODEL, window(GRAVE), deadline_s=20.0), "hub")
    expected = {"phone": "10.77.0.2", "hub": "10.77.0.3"}
    # A peer that came by itself is known before its advert has told where it listens.
    watch.until(lambda: _addresses(watch) == expected, "the addresses of both")


def _addresses(device: Device) -> dict[str, str]:
    return {name: (peer.address or "").rpartition(":")[0] for name, peer in device.peers().items()}
