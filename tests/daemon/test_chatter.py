"""What a peer says of itself costs a node so much each second and no more."""

import pytest
from msgspec.structs import replace

from meshd.core.ids import NodeId
from meshd.core.node import Telemetry
from meshd.daemon import chatter
from meshd.daemon.chatter import ABSURD_A_SECOND, COSTS, MOST_A_SECOND, Chatter
from meshd.errors import PeerLost, ProtocolError
from meshd.net.session import State
from meshd.wire.messages import MAX_PADDING_BYTES, Capability, Heartbeat
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, node_id_of, until
from tests.daemon.puppet import Puppet

HUB = node_id_of("hub")


class Clock:
    """The steady clock, moved by the test."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let everything be said within a second, however busy this machine is."""
    clock = Clock()
    monkeypatch.setattr(chatter, "monotonic", clock)
    return clock


def heartbeats(node_id: NodeId, counted: Chatter, number: int, padding_bytes: int = 0) -> None:
    for sequence in range(number):
        counted.hear(node_id, Heartbeat(sequence=sequence, telemetry=Telemetry()), padding_bytes)


class Heard:
    """Counts what was taken in, and who was cut off."""

    def __init__(self) -> None:
        self.taken: list[NodeId] = []
        self.cut: list[NodeId] = []
        self.chatter = Chatter(
            lambda node_id, _message: self.taken.append(node_id), lambda node_id, _error: self.cut.append(node_id)
        )


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


def test_each_second_has_a_measure_of_its_own(clock: Clock) -> None:
    heard = Heard()
    heartbeats(HUB, heard.chatter, MOST_A_SECOND + 10)
    clock.now_s = 0.999
    heartbeats(HUB, heard.chatter, 1)
    assert len(heard.taken) == MOST_A_SECOND
    clock.now_s = 1.0
    heartbeats(HUB, heard.chatter, MOST_A_SECOND)
    assert (len(heard.taken), heard.chatter.left_out) == (2 * MOST_A_SECOND, 11)


def test_who_comes_back_within_the_second_has_no_new_measure() -> None:
    heard = Heard()
    heartbeats(HUB, heard.chatter, MOST_A_SECOND)
    heard.chatter.forget(HUB)
    heartbeats(HUB, heard.chatter, 1)
    assert len(heard.taken) == MOST_A_SECOND


async def test_what_was_announced_beyond_measure_is_forgotten_with_its_session(clock: Clock) -> None:
    heard, hub = Heard(), Puppet("hub", "hub")
    for slots in range(1, MOST_A_SECOND):
        heard.chatter.hear(HUB, with_slots(hub, slots))
    taken = len(heard.taken)
    heard.chatter.forget(HUB)
    clock.now_s = 1.0
    heartbeats(HUB, heard.chatter, 1)
    assert len(heard.taken) == taken + 1


def test_padding_counts_by_its_bytes() -> None:
    heard = Heard()
    heartbeats(HUB, heard.chatter, 60, MAX_PADDING_BYTES)
    assert (len(heard.taken), heard.cut) == (3, [])
    heartbeats(HUB, heard.chatter, 1, MAX_PADDING_BYTES)
    assert heard.cut == [HUB]


async def test_padded_heartbeats_of_a_peer_are_answered_up_to_the_measure(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    for number in range(5):
        hub.say(Heartbeat(sequence=number, telemetry=Telemetry()), (bytes(MAX_PADDING_BYTES),))
    await until(lambda: watch.node.neighbourhood.chatter.left_out == 2)
    echoes = [said.sequence for said, _ in hub.received if isinstance(said, Heartbeat) and said.echo]
    assert echoes == [0, 1, 2]


async def test_a_peer_that_comes_back_later_is_believed_at_once(member: MakeMember, clock: Clock) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    for slots in range(1, 51):
        hub.say(with_slots(hub, slots))
    neighbourhood = watch.node.neighbourhood
    await until(lambda: neighbourhood.chatter.left_out > 0)
    hub.session.abort()
    await until(lambda: not neighbourhood.is_open(hub.id))
    left_out, clock.now_s = neighbourhood.chatter.left_out, 1.0
    await hub.meet(watch, with_slots(hub, 99))
    await until(lambda: announced(watch, hub) == 99)
    assert neighbourhood.chatter.left_out == left_out
