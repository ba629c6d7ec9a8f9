"""Three machines of their own, as far as the network can tell: real multicast, real addresses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.processes import Household, check_climbed, household
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
    addresses = {name: (peer.address or "").rpartition(":")[0] for name, peer in watch.peers().items()}
    assert addresses == {"phone": "10.77.0.2", "hub": "10.77.0.3"}
