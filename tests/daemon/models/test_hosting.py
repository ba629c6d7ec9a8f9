"""A node hosts the best that its store holds, changes it while requests run, and fails none of them by that."""

import asyncio
from threading import Event
from typing import Any

import pytest

from meshd.core.ids import ModelName
from meshd.executor.profile import Profile
from meshd.wire.messages import Capability
from model_registry.trust.signing_key import SigningKey
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, introduced, join, until
from tests.daemon.models.family import Family, family
from tests.daemon.models.test_distribution import hosts, keep, trusting
from tests.daemon.toys import CALM, window

pytestmark = pytest.mark.usefixtures("checks_in_process")


class Gated:
    """A session that runs only once its gate is open."""

    def __init__(self, session: Any) -> None:
        self.inputs, self.outputs = session.inputs, session.outputs
        self.entered, self.gate = Event(), Event()
        self._session = session

    def run(self, names: list[str], inputs: Any) -> Any:
        self.entered.set()
        assert self.gate.wait(timeout=10)
        return self._session.run(names, inputs)


def hold(member: Member) -> Gated:
    """Let a node's only model run in a thread, and not before it is let."""
    [hosted] = member.executor.hosted
    for _ in range(100):
        hosted.adopt(Profile(compute_s=1.0, spread_s=0.0, load_s=0.0, runs=1))
    hosted.session = Gated(hosted.session)
    return hosted.session


@pytest.fixture
def made(publisher: SigningKey) -> Family:
    return family(publisher)


async def hub_with(member: MakeMember, publisher: SigningKey, made: Family) -> Member:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made)
    return hub


async def test_a_request_in_flight_ends_with_its_answer_though_its_model_is_removed(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    hub = await hub_with(member, publisher, made)
    slow, client = hold(hub), hub.client()
    request_id = await client.send(window(CALM), model="news")
    await until(slow.entered.is_set, "the run")
    removal = asyncio.ensure_future(hub.keeper.orders.acts["remove"](made.model))
    await until(lambda: not hosts(hub, made, "hub"), "the withdrawal")
    assert hub.store.holds(made.artifact("hub"))
    assert hub.executor.hosted
    slow.gate.set()
    result = await client.latest(request_id, 1)
    assert result.answer.version == "1.0.0"
    await removal
    assert (hub.store.models(), hub.executor.hosted) == ((), ())


async def test_peers_hear_at_once_of_what_is_gone(member: MakeMember, publisher: SigningKey, made: Family) -> None:
    hub, watch = await hub_with(member, publisher, made), member("watch", bare=True)
    join(watch, hub)
    await introduced(watch, hub)
    await hub.keeper.orders.acts["remove"](made.model)
    capabilities = [message for _, message, _ in watch.received if isinstance(message, Capability)]
    assert [bool(capability.profile.hosted) for capability in capabilities][:1] == [True]
    await until(lambda: not watch.node.scheduler.view.hosting.of(ModelName("news")).all, "the news")


async def test_the_next_smaller_tier_serves_while_the_best_is_in_quarantine(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    hub = await hub_with(member, publisher, made)
    hub.store.quarantine(made.artifact("hub"), "a test")
    await hub.keeper.hosting.rehost()
    assert [hosts(hub, made, tier) for tier in ("hub", "phone", "watch")] == [False, True, False]
    assert (await hub.client().infer(window(CALM), model="news")).tier == "phone"
    hub.store.release(made.artifact("hub"))
    await hub.keeper.hosting.rehost(mended=[made.artifact("hub")])
    assert [hosts(hub, made, tier) for tier in ("hub", "phone", "watch")] == [True, False, False]


async def test_a_damaged_artifact_is_a_problem_and_the_next_tier_is_hosted(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made, "phone")
    await keep(hub, made, "hub", "watch")
    hub.store.artifact_path(made.artifact("hub")).write_bytes(b"rotten")
    await hub.stop()
    again = member("hub", bare=True, models=trusting(publisher))
    assert hosts(again, made, "phone")
    assert "corrupt" in again.keeper.problems[0].sentence


async def test_what_was_let_go_and_is_wanted_again_before_it_went_stays(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    hub = await hub_with(member, publisher, made)
    slow, client = hold(hub), hub.client()
    request_id = await client.send(window(CALM), model="news")
    await until(slow.entered.is_set, "the run")
    hub.keeper.catalogue.forget(made.model)
    await hub.keeper.hosting.rehost()
    hub.keeper.catalogue.learn(made.manifest)
    await hub.keeper.hosting.rehost()
    assert hosts(hub, made, "hub")
    slow.gate.set()
    await client.latest(request_id, 1)
    await hub.keeper.hosting.vacated()
    assert [hosted.artifact for hosted in hub.executor.hosted] == [made.artifact("hub")]
