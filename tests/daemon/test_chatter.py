"""What a peer says of itself costs a node so much each second and no more."""

import pytest
from msgspec.structs import replace

from meshd.core.node import Telemetry
from meshd.daemon import chatter
from meshd.daemon.chatter import ABSURD_A_SECOND, COSTS, MOST_A_SECOND
from meshd.errors import PeerLost, ProtocolError
from meshd.net.session import State
from meshd.wire.messages import Capability, Heartbeat
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, until
from tests.daemon.puppet import Puppet


@pytest.fixture(autouse=True)
def _within_one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything be said within a second, however busy this machine is."""
    monkeypatch.setattr(chatter, "monotonic", lambda: 0.0)


def announced(member: Member, puppet: Puppet) -> int:
    """Return the slots that a peer is believed to have."""
    peer = member.node.scheduler.view.peer(puppet.id)
    assert peer is not None
    return peer.profile.slots


def with_slots(puppet: Puppet, slots: int) -> Capability:
    return Capability(profile=replace(puppet.profile(), slots=slots), telemetry=Telemetry())


async def test_heartbeats_beyond_measure_are_not_answered_and_counted(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    for number in range(MOST_A_SECOND + 100):
        hub.say(Heartbeat(sequence=number, telemetry=Telemetry()))
    await until(lambda: watch.node.neighbourhood.chatter.left_out >= 100)
    echoes = [said for said, _ in hub.received if isinstance(said, Heartbeat) and said.echo]
    assert len(echoes) < MOST_A_SECOND
    assert (await watch.client().query("status"))["excess"]["messages_left_out"] >= 100
    assert hub.session.state is State.OPEN


async def test_of_capabilities_beyond_measure_the_last_is_believed_in_the_end(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    for slots in range(1, 51):
        hub.say(with_slots(hub, slots))
    await until(lambda: announced(watch, hub) == 50)
    assert watch.node.neighbourhood.chatter.left_out == 50 + 1 - MOST_A_SECOND // COSTS[Capability]


async def test_who_says_absurdly_much_is_cut_off_with_the_reason(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    for number in range(ABSURD_A_SECOND):
        hub.session.send(Heartbeat(sequence=number, telemetry=Telemetry()))
    error = await hub.session.closed()
    assert isinstance(error, ProtocolError | PeerLost)
    assert "it says more of itself in a second than any node has to say" in str(error)
    assert (await watch.client().query("status"))["excess"]["peers_cut_off"] == 1
