"""Daemons find each other by real multicast: on loopback alone, on this machine, and across a network."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.net.advert import Advert
from meshd.net.discovery import SERVICE, Discovery, is_news
from meshd.net.identity import Identity
from meshd.net.trust import TrustStore
from tests.net.namespaces import (
    Namespace,
    give_address,
    namespaces,
    needs_namespaces,
    plug_in,
    take_address,
    unplug,
)
from tests.net.nodes import Node, discovery_of, pair, until

pytestmark = pytest.mark.slow


@dataclass
class Heard:
    """What a discovery said."""

    found_adverts: list[Advert] = field(default_factory=list)
    lost_nodes: list[NodeId] = field(default_factory=list)

    def found(self, advert: Advert) -> None:
        self.found_adverts.append(advert)

    def lost(self, node_id: NodeId) -> None:
        self.lost_nodes.append(node_id)

    @property
    def ids(self) -> set[NodeId]:
        return {advert.node_id for advert in self.found_adverts}

    def latest(self, node_id: NodeId) -> tuple[int, int] | None:
        """Return port and incarnation last heard of a node."""
        ours = [advert for advert in self.found_adverts if advert.node_id == node_id]
        return (ours[-1].port, ours[-1].incarnation) if ours else None


@dataclass
class Announced:
    """A discovery and what it heard."""

    discovery: Discovery
    heard: Heard
    node_id: NodeId

    def hears(self, *others: Announced) -> bool:
        """Tell whether the others were found; strangers on the same network do not matter."""
        return self.heard.ids >= {other.node_id for other in others}


Announce = Callable[..., Announced]


@pytest.fixture
async def announce() -> AsyncIterator[Announce]:
    made: list[Announced] = []

    def make(
        node_id: NodeId | None = None,
        *,
        port: int = 4000,
        incarnation: int = 1,
        interfaces: tuple[str, ...] = ("127.0.0.1",),
    ) -> Announced:
        heard, node_id = Heard(), node_id or NodeId(secrets.token_hex(32))
        discovery = Discovery(
            heard,
            node_id=node_id,
            device_class=DeviceClass.PHONE,
            incarnation=incarnation,
            listen_host="127.0.0.1",
            port=port,
            interfaces=interfaces,
        )
        made.append(Announced(discovery, heard, node_id))
        return made[-1]

    yield make
    for announced in made:
        await announced.discovery.stop()


@pytest.mark.parametrize("interfaces", [("127.0.0.1",), ("lo",), ()], ids=["loopback", "by name", "all"])
async def test_three_on_one_machine_find_each_other(announce: Announce, interfaces: tuple[str, ...]) -> None:
    three = [announce(interfaces=interfaces) for _ in range(3)]
    await asyncio.gather(*(one.discovery.start() for one in three))
    await until(lambda: all(one.hears(*(other for other in three if other is not one)) for one in three))
    assert three[0].node_id not in three[0].heard.ids
    assert three[0].discovery.problem is None
    (second,) = (advert for advert in three[0].heard.found_adverts if advert.node_id == three[1].node_id)
    assert second == Advert(
        node_id=three[1].node_id,
        device_class=DeviceClass.PHONE,
        incarnation=1,
        addresses=("127.0.0.1",),
        port=4000,
    )


async def test_a_goodbye_is_heard(announce: Announce) -> None:
    one, two = announce(), announce()
    await asyncio.gather(one.discovery.start(), two.discovery.start())
    await until(lambda: two.node_id in one.heard.ids)
    await two.discovery.stop()
    await until(lambda: two.node_id in one.heard.lost_nodes)


async def test_a_restart_after_a_crash_is_heard_with_its_new_port(announce: Announce) -> None:
    """The crashed daemon said no goodbye, so its old announcement is still in everybody's cache."""
    one, crashed = announce(), announce(port=4001, incarnation=1)
    await asyncio.gather(one.discovery.start(), crashed.discovery.start())
    await until(lambda: crashed.node_id in one.heard.ids)
    await die_without_goodbye(crashed.discovery)
    again = announce(crashed.node_id, port=4002, incarnation=2)
    await again.discovery.start()
    await until(lambda: one.heard.latest(crashed.node_id) == (4002, 2))


async def die_without_goodbye(discovery: Discovery) -> None:
    assert discovery._zeroconf is not None
    discovery._zeroconf.zeroconf.registry.async_remove(discovery._zeroconf.zeroconf.registry.async_get_service_infos())
    await discovery.stop()


async def test_the_older_of_two_copies_of_a_node_hears_of_the_newer(announce: Announce) -> None:
    old = announce(incarnation=1)
    new = announce(old.node_id, incarnation=2, port=4001)
    await old.discovery.start()
    await new.discovery.start()
    await until(lambda: old.heard.latest(old.node_id) == (4001, 2))


async def test_nonsense_under_our_service_is_passed_over(announce: Announce, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = announce(), announce()
    fool = AsyncZeroconf(interfaces=["127.0.0.1"])
    records: list[dict[str, str | bytes]] = [{}, {"v": "1", "id": "x"}, {"v": "9"}, {"id": b"\xff\xfe"}]
    for number, txt in enumerate(records):
        nonsense = ServiceInfo(
            SERVICE,
            f"nonsense-{number}.{SERVICE}",
            port=1,
            addresses=[socket.inet_aton("127.0.0.1")],
            properties=txt,
            server=f"nonsense-{number}.local.",
        )
        await (await fool.async_register_service(nonsense, cooperating_responders=True))
    await asyncio.gather(one.discovery.start(), two.discovery.start())
    await until(lambda: two.node_id in one.heard.ids)
    assert all(advert.port != 1 for advert in one.heard.found_adverts)
    await fool.async_unregister_all_services()
    await fool.async_close()


async def test_an_advert_under_another_name_does_not_lead_away_from_a_node(announce: Announce) -> None:
    one, two = announce(), announce(port=4001)
    await asyncio.gather(one.discovery.start(), two.discovery.start())
    await until(lambda: one.heard.latest(two.node_id) == (4001, 1))
    forger = AsyncZeroconf(interfaces=["127.0.0.1"])
    for name, node_id, port in (("forged", two.node_id, 1), ("meshd-" + 16 * "c", NodeId(64 * "c"), 2)):
        txt = {"v": "1", "id": node_id, "class": "hub", "inc": "9"}
        address = [socket.inet_aton("127.0.0.1")]
        forged = ServiceInfo(
            SERVICE, f"{name}.{SERVICE}", port=port, addresses=address, properties=txt, server="x.local."
        )
        await (await forger.async_register_service(forged, cooperating_responders=True))
    await until(lambda: one.heard.latest(NodeId(64 * "c")) == (2, 9))
    assert one.heard.latest(two.node_id) == (4001, 1)
    await forger.async_unregister_all_services()
    await forger.async_close()


async def test_without_multicast_it_says_so_and_tries_again(
    announce: Announce, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = announce(), announce()

    def broken(_discovery: Discovery) -> AsyncZeroconf:
        raise OSError(19, "No such device")

    monkeypatch.setattr("meshd.net.discovery._NETWORK_LOOK_S", 0.01)
    with monkeypatch.context() as there_is_none:
        there_is_none.setattr(Discovery, "_new_zeroconf", broken)
        await one.discovery.start()
        assert one.discovery.problem == "no mDNS: OSError: [Errno 19] No such device"
    await two.discovery.start()
    await until(lambda: one.discovery.problem is None)
    await until(lambda: two.node_id in one.heard.ids)


@pytest.mark.parametrize(
    ("where", "number", "told"),
    [("::1", errno.ENETUNREACH, False), ("192.0.2.7", errno.ENETUNREACH, True), ("::1", errno.EACCES, True)],
)
def test_that_this_machine_has_no_multicast_to_itself_is_no_news(where: str, number: int, told: bool) -> None:
    error = OSError(number, "no way")
    said = f"Error with socket 21 (('{where}', 5353, 0, 0))): %s"
    record = logging.LogRecord("zeroconf", logging.WARNING, "", 0, said, (error,), (OSError, error, None))
    assert is_news(record) is told


async def test_an_interface_that_is_not_there_is_named(announce: Announce) -> None:
    one = announce(interfaces=("wlan99",))
    await one.discovery.start()
    assert one.discovery.problem == "no mDNS: this machine has no interface wlan99"


async def test_discovery_and_peering_together_connect_three_nodes(tmp_path: Path) -> None:
    nodes = [Node(tmp_path / name, name) for name in ("watch", "phone", "hub")]
    pair(*nodes)
    for node in nodes:
        await node.start()
    discoveries = [discovery_of(node, interfaces=("127.0.0.1",)) for node in nodes]
    await asyncio.gather(*(discovery.start() for discovery in discoveries))
    await until(lambda: all(node.events.open_sessions == 2 for node in nodes))
    await asyncio.gather(*(discovery.stop() for discovery in discoveries))
    for node in nodes:
        await node.stop()


class Machine:
    """A node in a namespace of its own, as a process."""

    def __init__(self, namespace: Namespace, state_dir: Path) -> None:
        self.namespace = namespace
        self.state_dir = state_dir
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.net.node_program", str(self.state_dir), "0.0.0.0"]
        self.process = self.namespace.start(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        return self.process

    def wait_for(self, peers: set[str]) -> dict[str, object]:
        """Read what the node says until it is connected with exactly these peers; return that line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, object] = json.loads(line)
            if said["connected"] == sorted(peers):
                return said
        raise AssertionError(f"{self.state_dir.name} ended before it was connected with {peers}")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[Machine]]:
    needs_namespaces()
    names = ("watch", "phone", "hub")
    identities = {}
    for name in names:
        with Identity.load_or_create(tmp_path / name) as identity:
            identities[name] = identity.node_id
    for name in names:
        for other in set(names) - {name}:
            TrustStore(tmp_path / name / "trust.toml").pin(identities[other], name=other)
    with namespaces(3) as made:
        started = [Machine(namespace, tmp_path / name) for namespace, name in zip(made, names, strict=True)]
        yield started
        for machine in started:
            machine.kill()


def test_three_machines_on_a_network_find_each_other_and_one_killed_comes_back(machines: list[Machine]) -> None:
    watch, phone, hub = machines
    for machine in machines:
        machine.wait_for({"watch", "phone", "hub"} - {machine.state_dir.name})

    hub.kill()
    watch.wait_for({"phone"})
    phone.wait_for({"watch"})
    hub.start()
    hub.wait_for({"watch", "phone"})
    watch.wait_for({"phone", "hub"})
    phone.wait_for({"watch", "hub"})


def test_a_machine_that_was_unplugged_for_its_start_is_found_when_it_is_plugged_in(machines: list[Machine]) -> None:
    watch, _, hub = machines
    watch.wait_for({"phone", "hub"})
    hub.kill()
    unplug(hub.namespace)
    watch.wait_for({"phone"})
    hub.start()
    hub.wait_for(set())
    plug_in(hub.namespace)
    hub.wait_for({"watch", "phone"})
    watch.wait_for({"phone", "hub"})


def test_a_machine_that_gets_its_address_late_is_found_under_it(machines: list[Machine]) -> None:
    watch, _, hub = machines
    watch.wait_for({"phone", "hub"})
    hub.kill()
    watch.wait_for({"phone"})
    take_address(hub.namespace)
    hub.start()
    hub.wait_for(set())
    give_address(hub.namespace, "10.77.0.99")
    hub.wait_for({"watch", "phone"})
    watch.wait_for({"phone", "hub"})
