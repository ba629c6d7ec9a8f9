"""Three real daemons: what is added on one by a command runs on all, and stays after a restart."""

import pytest

from meshd.client import Client, Result
from meshd.core.request import Privacy
from model_registry.trust.signing_key import SigningKey
from tests.daemon.models.family import Family, family
from tests.daemon.processes import Device, Household, until
from tests.daemon.toys import CALM, GRAVE, ODD, window

pytestmark = pytest.mark.slow


def hosts(device: Device, made: Family) -> set[str]:
    """Return the nodes that a device knows to host a family, each as what it hosts."""
    document = device.ask(Client.models)
    tiers = [tier for model in document.models if model.name == made.model for tier in model.tiers] if document else []
    return {f"{host.node}:{tier.tier}" for tier in tiers for host in tier.hosts}


def _run_here(client: Client, made: Family, mean: float) -> Result:
    return client.infer(made.model, window(mean), privacy=Privacy.DEVICE)


def test_what_is_added_on_the_hub_runs_everywhere(home: Household, publisher: SigningKey) -> None:
    made = family(publisher, ballast_bytes=400_000)
    for name in ("watch", "phone", "hub"):
        home.add(name)
    home.start(models={"publishers": [publisher.publisher]})
    watch, phone, hub = home.devices.values()
    with hub.client() as client:
        taken = client.install_model(made.lay(home.folder / "brought"))
    assert (taken.hosted, taken.left_out) == ("hub/toy-fp32", ())
    everywhere = {"watch:watch", "phone:phone", "hub:hub"}
    until(lambda: hosts(watch, made) == everywhere, "the family on all three")
    for (
        name,
        device,
    ) in home.devices.items():  # Which is cheapest is for their links to say.
        with device.client() as client:
            routes = [[hop.node for hop in _run_here(client, made, mean).route] for mean in (CALM, ODD, GRAVE)]
        assert routes == [[name]] * 3
    phone.end()
    phone.start()
    until(lambda: hosts(phone, made) == everywhere, "the family on the phone that was started again")
    assert [event for device in home.devices.values() for event in device.events("task.failed")] == []
