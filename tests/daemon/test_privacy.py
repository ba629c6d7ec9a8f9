"""The input goes no further than the request allows: the sender checks, and the receiver checks again."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass, Telemetry
from meshd.core.request import Privacy
from meshd.errors import RefusedByPrivacy
from meshd.wire.messages import Capability, Infer, Refusal, TensorHeader
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, introduced, join, until
from tests.daemon.puppet import Puppet
from tests.daemon.test_bad_peers import pong
from tests.daemon.toys import CALM, GRAVE, MODEL, lay_bundle, manifest, window

Household = tuple[Member, Member, Member]


def sent_to(member: Member) -> bytes:
    """Return all payload bytes that ever reached a node from peers."""
    return b"".join(payload for _, _, payload in member.received)


def delegated(privacy: Privacy, mean: float = CALM) -> tuple[Infer, tuple[bytes]]:
    payload = window(mean)["ecg"].tobytes()
    tensors = (TensorHeader(name="ecg", dtype="float32", shape=(1, 16)),)
    return Infer(request_id="r1", model=MODEL, tensors=tensors, deadline_s=10.0, privacy=privacy), (payload,)


async def test_a_request_for_this_device_only_reaches_no_peer(household: Household) -> None:
    watch, phone, hub = household
    result = await watch.client().infer(window(GRAVE), privacy="device")
    assert ([hop.node for hop in result.route], result.degraded) == (["watch"], True)
    assert phone.asked_by_peers() == hub.asked_by_peers() == []
    assert sent_to(phone) == sent_to(hub) == b""


async def test_one_that_this_device_cannot_answer_is_refused_with_the_rule(household: Household) -> None:
    watch, phone, hub = household
    with pytest.raises(RefusedByPrivacy, match="privacy 'device': the input never leaves the node"):
        await watch.client().infer(window(CALM), privacy="device", min_tier="hub")
    assert sent_to(phone) == sent_to(hub) == b""


async def test_a_household_request_never_reaches_an_upstream(member: MakeMember) -> None:
    watch, upstream = member("watch"), member("upstream")
    join(watch, upstream)
    await introduced(watch, upstream)
    result = await watch.client().infer(window(GRAVE), privacy="household")
    assert ([hop.node for hop in result.route], result.degraded) == (["watch"], True)
    assert sent_to(upstream) == b""
    with pytest.raises(RefusedByPrivacy, match="privacy 'household': the input never reaches an upstream"):
        await watch.client().infer(window(CALM), privacy="household", min_tier="hub")


async def test_an_upstream_cannot_pass_for_a_hub_once_it_is_in(member: MakeMember) -> None:
    watch, upstream = member("watch"), Puppet("upstream", "hub", of_class="upstream")
    disguised = replace(upstream.profile(), device_class=DeviceClass.HUB)
    await upstream.meet(watch, Capability(profile=disguised, telemetry=Telemetry()))
    await pong(upstream)
    result = await watch.client().infer(window(GRAVE), privacy="household")
    assert ([hop.node for hop in result.route], upstream.asked) == (["watch"], [])


async def test_a_public_request_may_reach_an_upstream(member: MakeMember) -> None:
    watch, upstream = member("watch"), member("upstream")
    join(watch, upstream)
    await introduced(watch, upstream)
    result = await watch.client().infer(window(GRAVE), privacy="public")
    assert ([hop.node for hop in result.route], result.degraded) == (["watch", "upstream"], False)


async def test_a_model_that_keeps_its_input_runs_here_only(member: MakeMember) -> None:
    watch, phone = member("watch", privacy="device"), member("phone")
    join(watch, phone)
    await introduced(watch, phone)
    result = await watch.client().infer(window(GRAVE), privacy="public")
    assert ([hop.node for hop in result.route], result.degraded) == (["watch"], True)
    assert sent_to(phone) == b""


@pytest.mark.parametrize(
    ("receiver", "privacy", "rule"),
    [
        ("hub", Privacy.DEVICE, "privacy 'device': the input never leaves the node where it was born"),
        ("upstream", Privacy.HOUSEHOLD, "privacy 'household': the input never reaches an upstream"),
    ],
)
async def test_a_receiver_refuses_what_should_never_have_been_sent(
    member: MakeMember, receiver: str, privacy: Privacy, rule: str
) -> None:
    node, hostile = member(receiver), Puppet("hostile", "watch")
    await hostile.meet(node)
    hostile.say(*delegated(privacy))
    await until(lambda: any(isinstance(message, Refusal) for message, _ in hostile.received))
    refusal = next(message for message, _ in hostile.received if isinstance(message, Refusal))
    assert (refusal.request_id, refusal.code) == ("r1", RefusedByPrivacy.code)
    assert refusal.message == f"{rule}; the sender should never have sent it"


async def test_a_receiver_whose_manifest_keeps_the_input_runs_nothing_for_peers(member: MakeMember) -> None:
    node, peer = member("phone", privacy="device"), Puppet("careless", "watch")
    await peer.meet(node)
    peer.say(*delegated(Privacy.PUBLIC))
    await until(lambda: any(isinstance(message, Refusal) for message, _ in peer.received))
    refusal = next(message for message, _ in peer.received if isinstance(message, Refusal))
    assert refusal.code == RefusedByPrivacy.code


@pytest.mark.parametrize("said", [{"artifact": "ab" * 32}, {"tier": DeviceClass.UPSTREAM}], ids=["artifact", "tier"])
@pytest.mark.parametrize("is_late", [False, True], ids=["manifest first", "manifest later"])
async def test_a_manifest_keeps_the_input_here_whether_or_not_the_model_is_hosted(
    member: MakeMember, tmp_path: Path, said: dict[str, Any], *, is_late: bool
) -> None:
    form = manifest(name="private", privacy="device")
    if not is_late:
        lay_bundle(tmp_path / "watch" / "bundles", form)
    watch, hub = member("watch", tier="watch"), Puppet("hub", "hub")
    hosted = replace(hub.hosted(), model=ModelName("private"), raw_input_may_leave=True, **said)
    await hub.meet(watch, Capability(profile=replace(hub.profile(), hosted=(hosted,)), telemetry=Telemetry()))
    await until(lambda: watch.knows(hub.id))
    if is_late:
        watch.keeper.catalogue.learn(form)
    with pytest.raises(RefusedByPrivacy, match="manifest keeps its input on the node"):
        await watch.client().infer(window(GRAVE), model="private", privacy="public")
    assert hub.asked == []


async def test_a_peer_is_held_against_a_manifest_that_came_after_it(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    hosted = replace(hub.hosted(), model=ModelName("late"), artifact="ab" * 32, accuracy=1.0)
    await hub.meet(watch, Capability(profile=replace(hub.profile(), hosted=(hosted,)), telemetry=Telemetry()))
    await until(lambda: watch.knows(hub.id))
    watch.keeper.catalogue.learn(manifest(name="late"))
    known = watch.node.scheduler.view.peer(hub.id)
    assert known is not None
    assert known.profile.hosted == (replace(hosted, accuracy=0.0, calibrated=False),)
