"""One session per trusted peer, whatever is dialled, killed, copied or restarted."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass, Telemetry
from meshd.errors import AddressInUse, ConfigInvalid, PeerLeft, PeerLost, Superseded, UntrustedPeer
from meshd.net.address import Address, listening_socket
from meshd.net.advert import Advert
from meshd.net.backoff import Backoff
from meshd.net.link import LinkState
from meshd.net.rivalry import SIMULTANEOUS_S, newcomer_wins
from meshd.net.session import Session
from meshd.wire.messages import Cancel, Document, Heartbeat, Hello
from tests.net.nodes import Node, pair, tells, until

MakeNode = Callable[[str], Node]


@pytest.fixture
async def make_node(tmp_path: Path) -> AsyncIterator[MakeNode]:
    made: list[Node] = []

    def make(name: str) -> Node:
        made.append(Node(tmp_path / name, name))
        return made[-1]

    yield make
    for node in made:
        await node.stop()


def advert(node: Node, port: int | None = None) -> Advert:
    return Advert(
        node_id=node.id,
        device_class=DeviceClass.HUB,
        incarnation=node.identity.incarnation,
        addresses=("127.0.0.1",),
        port=port or node.peering.port,
    )


async def started(make_node: MakeNode, *names: str) -> list[Node]:
    nodes = [make_node(name) for name in names]
    pair(*nodes)
    for node in nodes:
        await node.start()
    return nodes


async def connected(one: Node, two: Node) -> None:
    await until(lambda: one.events.open_sessions == 1 and two.events.open_sessions == 1, "one session on both sides")


async def test_a_static_peer_is_dialled_and_messages_go_both_ways(make_node: MakeNode) -> None:
    one, two = await started(make_node, "one", "two")
    one.peering.add_static(two.id, two.address)
    await connected(one, two)
    assert one.peering.send(two.id, Document(request_id="a"), [b"payload"])
    assert two.peering.send(one.id, Cancel(request_id="b"))
    await until(lambda: one.events.messages and two.events.messages)
    assert two.events.messages == [(one.id, Document(request_id="a"), b"payload")]
    assert one.events.messages == [(two.id, Cancel(request_id="b"), b"")]
    assert not one.peering.send(NodeId("f" * 64), Cancel(request_id="c"))


async def test_a_peer_that_dialled_is_shown_by_where_it_listens_never_by_the_port_that_it_came_from(
    make_node: MakeNode,
) -> None:
    one, two = await started(make_node, "one", "two")
    one.peering.add_static(two.id, two.address)
    await connected(one, two)
    assert [link.address for link in two.peering.peers()] == ["127.0.0.1"]
    two.peering.found(advert(one))
    assert [link.address for link in two.peering.peers()] == [str(one.address)]


async def test_peers_shows_a_connected_link_with_its_round_trip(make_node: MakeNode) -> None:
    one, two = await started(make_node, "one", "two")
    one.peering.found(advert(two))
    await connected(one, two)
    one.peering.send(two.id, Heartbeat(sequence=1, telemetry=Telemetry()))
    await until(lambda: two.events.messages)
    two.peering.send(one.id, Heartbeat(sequence=1, telemetry=Telemetry(), echo=True))
    await until(lambda: one.peering.peers()[0].rtt_s is not None)
    (link,) = one.peering.peers()
    assert (link.state, link.node_id, link.name, link.device_class, link.address) == (
        LinkState.CONNECTED,
        two.id,
        "two",
        DeviceClass.HUB,
        str(two.address),
    )
    assert link.since_s < 10.0


@pytest.mark.parametrize("attempt", range(8))
async def test_of_two_dials_that_cross_one_session_survives(make_node: MakeNode, attempt: int) -> None:
    one, two = await started(make_node, "one", "two")
    one.peering.found(advert(two))
    two.peering.found(advert(one))
    await connected(one, two)
    for _ in range(20):  # Whatever still comes of the other dial must not disturb it.
        await asyncio.sleep(0.005)
    (here,), (there,) = (
        [session for session in node.events.sessions if session.state.name == "OPEN"] for node in (one, two)
    )
    assert here.dialled is not there.dialled
    assert (one.events.open_sessions, two.events.open_sessions) == (1, 1)


def test_both_ends_agree_which_of_two_crossed_sessions_stays() -> None:
    small, large = NodeId("1" * 64), NodeId("2" * 64)
    for by_small, age_s in itertools.product((True, False), (0.0, SIMULTANEOUS_S)):
        at_small = newcomer_wins(
            ours=small, theirs=large, rival_dialled=not by_small, dialled=by_small, rival_age_s=age_s
        )
        at_large = newcomer_wins(
            ours=large, theirs=small, rival_dialled=by_small, dialled=not by_small, rival_age_s=age_s
        )
        assert at_small is at_large is by_small


def test_a_newcomer_of_the_same_direction_or_long_after_takes_the_place() -> None:
    small, large = NodeId("1" * 64), NodeId("2" * 64)
    for ours, theirs in ((small, large), (large, small)):
        for dialled in (True, False):
            assert newcomer_wins(ours=ours, theirs=theirs, rival_dialled=dialled, dialled=dialled, rival_age_s=0.0)
            assert newcomer_wins(
                ours=ours, theirs=theirs, rival_dialled=not dialled, dialled=dialled, rival_age_s=SIMULTANEOUS_S + 0.1
            )


async def test_a_node_of_another_class_than_it_was_paired_as_is_not_let_in(make_node: MakeNode) -> None:
    one, two = await started(make_node, "one", "two")
    one.trust.pin(two.id, device_class=DeviceClass.UPSTREAM)
    two.peering.add_static(one.id, one.address)
    await tells(two, "was paired as upstream and says that it is hub")
    assert one.events.connected == []


async def test_a_lost_session_is_dialled_again(make_node: MakeNode) -> None:
    one, two = await started(make_node, "one", "two")
    one.peering.add_static(two.id, two.address)
    await connected(one, two)
    two.events.sessions[0].abort()
    await until(lambda: len(one.events.connected) == 2)
    await connected(one, two)
    assert [(node_id, type(error)) for node_id, error in one.events.disconnected] == [(two.id, PeerLost)]


async def test_a_peer_that_ends_every_session_at_once_is_dialled_ever_more_seldom(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await started(make_node, "one", "two")
    delays: list[float] = []
    original = Backoff.delay_s

    def noted(backoff: Backoff) -> float:
        delays.append(original(backoff))
        return delays[-1]

    def rude(_hello: Hello, session: Session) -> None:
        session.close("protocol_error", "no, thank you")

    monkeypatch.setattr("meshd.net.backoff.FIRST_S", 0.004)
    monkeypatch.setattr(Backoff, "delay_s", noted)
    monkeypatch.setattr(two.events, "peer_connected", rude)
    one.peering.add_static(two.id, two.address)
    await until(lambda: len(delays) == 4)
    assert delays == [0.002, 0.004, 0.008, 0.016]


async def test_a_peer_that_returns_on_another_port_is_met_as_soon_as_it_announces_itself(
    make_node: MakeNode, tmp_path: Path
) -> None:
    one, two = await started(make_node, "one", "two")
    one.peering.found(advert(two))
    await connected(one, two)
    await two.stop()
    await until(lambda: one.events.disconnected)
    assert one.events.disconnected == [(two.id, one.events.disconnected[0][1])]
    assert isinstance(one.events.disconnected[0][1], PeerLeft)
    await until(lambda: one.peering.peers()[0].state is LinkState.WAITING and one.peering.peers()[0].last_error)

    again = make_node("two")
    await again.start()
    one.peering.found(advert(again))
    await connected(one, again)
    assert one.events.connected == [two.id, two.id]


async def test_a_restarted_peer_takes_the_place_of_its_dead_session(make_node: MakeNode) -> None:
    """The old process is gone without a word, and its session here looks alive."""
    one, two = await started(make_node, "one", "two")
    one.peering.add_static(two.id, two.address)
    await connected(one, two)
    two.identity.release()
    again = make_node("two")
    await again.start()
    again.peering.add_static(one.id, one.address)
    await until(lambda: again.events.connected == [one.id])
    assert [type(error) for _, error in one.events.disconnected] == [Superseded]
    assert one.events.connected == [two.id, two.id]


async def test_an_untrusted_advert_is_shown_with_what_to_do_and_never_dialled(make_node: MakeNode) -> None:
    one, two = make_node("one"), make_node("two")
    await one.start()
    await two.start()
    one.peering.found(advert(two))
    (link,) = one.peering.peers()
    assert (link.state, link.node_id, link.device_class) == (LinkState.UNPAIRED, two.id, DeviceClass.HUB)
    assert link.last_error is not None
    assert f"seen but not paired: run `meshd trust add {two.id}`" in link.last_error
    assert two.peering.peers() == []


async def test_pinning_while_the_daemon_runs_connects_and_unpinning_disconnects(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshd.net.peering._TRUST_LOOK_S", 0.01)
    one, two = make_node("one"), make_node("two")
    two.trust.pin(one.id)
    await one.start()
    await two.start()
    one.peering.found(advert(two))
    command = type(one.trust)(one.state_dir / "trust.toml")
    command.pin(two.id, name="two")
    await connected(one, two)
    command.unpin(two.id)
    await until(lambda: one.events.disconnected and two.events.disconnected)
    assert isinstance(one.events.disconnected[0][1], UntrustedPeer)
    assert isinstance(two.events.disconnected[0][1], UntrustedPeer)
    assert one.peering.peers()[0].state is LinkState.UNPAIRED


async def test_a_peer_that_does_not_trust_us_is_named_as_the_likely_reason(make_node: MakeNode) -> None:
    one, two = make_node("one"), make_node("two")
    one.trust.pin(two.id)
    await one.start()
    await two.start()
    one.peering.add_static(two.id, two.address)
    await tells(one, "is not trusted there")
    (stranger,) = two.peering.peers()
    assert (stranger.state, stranger.node_id) == (LinkState.UNPAIRED, one.id)


async def test_an_address_where_nobody_listens_says_so(make_node: MakeNode) -> None:
    (one,) = await started(make_node, "one")
    nobody = NodeId("f" * 64)
    one.trust.pin(nobody)
    with listening_socket(Address("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    one.peering.add_static(nobody, Address("127.0.0.1", port))
    await tells(one, f"no connection with 127.0.0.1:{port}")
    await until(lambda: one.peering.peers()[0].state is LinkState.WAITING)


async def test_failing_dials_are_repeated_and_logged_once(
    make_node: MakeNode, capfd: pytest.CaptureFixture[str]
) -> None:
    (one,) = await started(make_node, "one")
    deaf = NodeId("f" * 64)
    one.trust.pin(deaf)
    tries = 0

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    one.peering.add_static(deaf, Address(*server.sockets[0].getsockname()))
    await until(lambda: tries >= 3)
    assert capfd.readouterr().err.count("link.failed") == 1
    server.close()
    await server.wait_closed()


async def test_a_node_does_not_talk_to_itself(make_node: MakeNode) -> None:
    (one,) = await started(make_node, "one")
    one.peering.add_static(one.id, one.address)
    one.peering.found(advert(one))
    await asyncio.sleep(0.05)
    assert (one.events.connected, one.peering.peers(), one.events.supersessions) == ([], [], [])


async def test_the_older_of_two_daemons_with_one_identity_is_told_and_the_newer_goes_on(
    make_node: MakeNode, tmp_path: Path
) -> None:
    (old,) = await started(make_node, "original")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    new = make_node("copy")
    assert (new.id, new.identity.incarnation > old.identity.incarnation) == (old.id, True)
    await new.start()
    old.peering.found(advert(new))
    await until(lambda: old.events.supersessions)
    assert "a daemon with the same identity started later" in str(old.events.supersessions[0])
    assert new.events.supersessions == []
    assert (old.events.connected, new.events.connected) == ([], [])


async def test_the_older_is_told_as_well_when_the_newer_dials_it(make_node: MakeNode, tmp_path: Path) -> None:
    (old,) = await started(make_node, "original")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    new = make_node("copy")
    await new.start()
    new.peering.found(replace(advert(old), incarnation=new.identity.incarnation + 1))
    await until(lambda: old.events.supersessions)
    assert "has this node's identity and started later" in str(old.events.supersessions[0])
    assert new.events.supersessions == []


async def test_a_peer_refuses_the_older_of_two_daemons_with_one_identity_and_its_word_stops_nobody(
    make_node: MakeNode, tmp_path: Path
) -> None:
    hub, old = await started(make_node, "hub", "original")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    new = make_node("copy")
    new.trust.refresh()
    await new.start()
    new.peering.add_static(hub.id, hub.address)
    await until(lambda: hub.events.connected == [new.id])
    old.peering.add_static(hub.id, hub.address)
    await tells(old, "the same identity started later")
    assert hub.events.open_sessions == 1
    await until(lambda: old.peering.contested)
    assert old.events.supersessions == []


async def test_a_port_that_is_taken_is_said_to_be(make_node: MakeNode) -> None:
    one, two = make_node("one"), make_node("two")
    await one.start()
    with pytest.raises(AddressInUse, match="configure another port"):
        await two.start(one.peering.port)


async def test_an_address_of_another_machine_cannot_be_listened_on(make_node: MakeNode) -> None:
    one = make_node("one")
    with pytest.raises(ConfigInvalid, match=r"cannot listen on 192.0.2.77:0"):
        await one.peering.start("192.0.2.77", 0)
