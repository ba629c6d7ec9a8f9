"""Who vanishes, who stalls, and a node that is told to stop: nothing lost, nothing twice."""

import asyncio

import numpy as np
import pytest
from typing_extensions import override

from meshd.core.candidate import Observation
from meshd.core.mesh_view import MeshView
from meshd.core.node import DeviceClass
from meshd.errors import Draining, MeshError, PeerLeft, PeerLost
from meshd.wire.messages import Cancel
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, introduced, join, until
from tests.daemon.puppet import Puppet
from tests.daemon.test_bad_peers import infer
from tests.daemon.toys import CALM, GRAVE, ODD, window

Household = tuple[Member, Member, Member]


@pytest.mark.parametrize("error", [PeerLost("it broke"), PeerLeft("it said goodbye"), None])
async def test_a_peer_that_vanishes_costs_a_larger_answer_and_no_more(
    member: MakeMember, error: PeerLost | PeerLeft | None
) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="r1")
    await hub.next_request()
    if error is None:
        hub.session.close()
    else:
        watch.sessions[hub.id].abort(error)
    outcome = await client.outcome("r1")
    assert not isinstance(outcome, MeshError | memoryview)
    assert (outcome.tier, outcome.degraded) == (DeviceClass.WATCH, True)
    assert outcome.outputs["score"] == np.float32(GRAVE)
    assert len(client.outcomes("r1")) == 1


async def test_many_requests_out_at_a_peer_that_vanishes_are_each_answered_once(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    ids = [await client.send(window(GRAVE)) for _ in range(20)]
    await hub.next_request(20)
    hub.session.abort()
    outcomes = [await client.outcome(request_id) for request_id in ids]
    assert [type(outcome).__name__ for outcome in outcomes] == ["Result"] * 20
    assert {len(client.outcomes(request_id)) for request_id in ids} == {1}


async def test_a_peer_that_returns_answers_in_full_again(member: MakeMember) -> None:
    watch, hub = member("watch"), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    client = watch.client()
    watch.sessions[hub.id].abort()
    assert (await client.infer(window(GRAVE))).degraded
    join(watch, hub)
    await introduced(watch, hub)
    result = await client.infer(window(GRAVE))
    assert (result.route[-1].node, result.degraded) == ("hub", False)


async def test_a_peer_that_says_nothing_is_waited_for_no_longer_than_there_is_time(member: MakeMember) -> None:
    watch, stalled = member("watch"), Puppet("stalled", "hub")
    await stalled.meet(watch)
    result = await watch.client().infer(window(GRAVE), deadline_s=1.0)
    assert (result.tier, result.degraded) == (DeviceClass.WATCH, True)
    await until(lambda: any(isinstance(message, Cancel) for message, _ in stalled.received))


async def test_a_late_answer_changes_nothing(member: MakeMember) -> None:
    watch, stalled = member("watch"), Puppet("stalled", "hub")
    await stalled.meet(watch)
    client = watch.client()
    result = await client.infer(window(GRAVE), request_id="r1", deadline_s=1.0)
    stalled.say(*stalled.result("r1"))
    again = await watch.client().infer(window(GRAVE), request_id="r1")
    assert again.answer == result.answer
    assert len(client.outcomes("r1")) == 1


async def test_work_for_a_peer_that_vanished_is_dropped(member: MakeMember) -> None:
    phone, asker, hub = member("phone"), Puppet("asker", "watch"), Puppet("hub", "hub")
    await asker.meet(phone)
    await hub.meet(phone)
    asker.say(*infer("r1", GRAVE))
    await hub.next_request()
    asker.session.abort()
    await until(lambda: any(isinstance(message, Cancel) for message, _ in hub.received))
    assert phone.node.scheduler.alive_requests == 0


async def test_a_client_that_withdraws_stops_the_work(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    one, two = watch.client(), watch.client()
    for client in (one, two):
        await client.send(window(GRAVE), request_id="r1")
    await hub.next_request()
    one.session.send(Cancel(request_id="r1"))
    assert not (await one.query("status"))["requests"]["failed"], "somebody else still waits"
    two.session.send(Cancel(request_id="r1"))
    await until(lambda: any(isinstance(message, Cancel) for message, _ in hub.received))
    assert (await two.query("status"))["requests"]["failed"] == 1
    assert one.outcomes("r1") == two.outcomes("r1") == []


class Raises:
    """A policy with a defect."""

    name = "raises"
    is_steady = False

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        raise KeyError(observation.decision)


class Answers:
    """A policy that answers the same whatever it is asked."""

    name = "stubborn"
    is_steady = False

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        return self._answer  # type: ignore[return-value]


@pytest.mark.parametrize(
    "policy",
    [Raises(), Answers(99), Answers(-1), Answers(None), Answers("1"), Answers(0.5)],
    ids=["raises", "too large", "negative", "none", "text", "fraction"],
)
async def test_whatever_a_policy_answers_the_request_is_answered(member: MakeMember, policy: Raises | Answers) -> None:
    watch, hub = member("watch", policy=policy), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    client = watch.client()
    result = await client.infer(window(GRAVE))
    assert [hop.node for hop in result.route] == ["watch", "hub"]
    story = await client.query("explain")
    assert [decision["policy"] for decision in story["decisions"]] == ["least-expected-cost", "the only way"]


async def test_a_policy_cannot_make_happen_what_a_rule_forbids(member: MakeMember) -> None:
    class Last(Answers):
        @override
        def choose(self, observation: Observation, view: MeshView, now: float) -> int:
            return len(observation.candidates) - 1

    watch, hub = member("watch", policy=Last(0)), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    result = await watch.client().infer(window(CALM), privacy="device")
    assert [hop.node for hop in result.route] == ["watch"]
    assert hub.asked_by_peers() == []


async def test_a_node_that_drains_finishes_what_it_has_and_takes_nothing_new(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="alive")
    request = await hub.next_request()
    draining = asyncio.create_task(watch.node.drain(5.0))
    with pytest.raises(Draining, match="this node is shutting down"):
        await client.infer(window(CALM))
    hub.say(*hub.result(request.request_id))
    assert await draining == 0
    assert not isinstance(await client.outcome("alive"), MeshError)


async def test_a_drain_that_takes_too_long_says_what_is_left(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="stuck")
    await hub.next_request()
    assert await watch.node.drain(0.01) == 1
    hub.say(*hub.result("stuck"))
    await client.outcome("stuck")


async def test_work_refused_by_a_peer_that_drains_is_done_elsewhere(household: Household) -> None:
    watch, phone, hub = household
    await phone.node.drain(1.0)
    result = await watch.client().infer(window(ODD))
    assert ([hop.node for hop in result.route], result.degraded) == (["watch", "hub"], False)
    assert len(phone.asked_by_peers()) == len(hub.asked_by_peers()) == 1


async def test_a_stage_that_fails_here_is_run_elsewhere(member: MakeMember) -> None:
    """The model's file rots while the model is cold."""
    watch, hub = member("watch"), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    artifact = watch.executor.warm_artifacts()[0]
    watch.executor.cool(artifact)
    (watch.config.node.state_dir / "models" / "artifacts" / artifact).write_bytes(b"rotten")
    result = await watch.client().infer(window(CALM))
    assert [hop.node for hop in result.route] == ["hub"]
