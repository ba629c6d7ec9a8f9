"""Nodes for tests: identities made once and copied, and events that are kept to be looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from meshd.config.config import Shaping
from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.errors import LinkError, Superseded
from meshd.net.address import Address
from meshd.net.discovery import Discovery
from meshd.net.identity import Identity
from meshd.net.peering import Peering
from meshd.net.session import Session
from meshd.net.session_limits import SessionLimits
from meshd.net.trust import TrustStore
from meshd.wire.messages import Hello, Message

PATIENCE_S = 30.0
"""How long a test waits for a state before it fails; far more than any of them takes."""


async def until(condition: Callable[[], object], what: str = "the expected state") -> None:
    """Wait for a state, looking again after every few turns of the loop."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - it looks at many objects; no single event tells of them all
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what} did not come about within {PATIENCE_S:g} s") from None


async def tells(node: Node, words: str) -> None:
    """Wait until a node says this of its only peer; on a busy machine a first dial may fail of something else."""
    await until(lambda: words in (node.peering.peers()[0].last_error or ""), words)


@dataclass
class RecordedEvents:
    """Everything that a peering said, in order."""

    connected: list[NodeId] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    messages: list[tuple[NodeId, Message, bytes]] = field(default_factory=list)
    disconnected: list[tuple[NodeId, LinkError | None]] = field(default_factory=list)
    supersessions: list[Superseded] = field(default_factory=list)

    def peer_connected(self, hello: Hello, session: Session) -> None:
        assert hello.node_id is not None
        self.connected.append(NodeId(hello.node_id))
        self.sessions.append(session)

    def peer_message(self, node_id: NodeId, message: Message, payload: memoryview) -> None:
        self.messages.append((node_id, message, bytes(payload)))

    def peer_disconnected(self, node_id: NodeId, error: LinkError | None) -> None:
        self.disconnected.append((node_id, error))

    def superseded(self, error: Superseded) -> None:
        self.supersessions.append(error)

    @property
    def open_sessions(self) -> int:
        return len(self.connected) - len(self.disconnected)


class Node:
    """An identity, a trust store and a peering on loopback."""

    def __init__(
        self, state_dir: Path, name: str, *, limits: SessionLimits | None = None, shaping: Shaping | None = None
    ) -> None:
        self.name = name
        self.state_dir = state_dir
        self.identity = Identity.load_or_create(state_dir)
        self.id = self.identity.node_id
        self.trust = TrustStore(state_dir / "trust.toml")
        self.events = RecordedEvents()
        self.peering = Peering(
            *(self.identity, self.trust, self.hello, self.events), limits=limits, shaping=shaping, jitter=lambda: 0.0
        )

    def hello(self) -> Hello:
        return Hello(
            role="peer",
            name=self.name,
            node_id=self.id,
            device_class=DeviceClass.HUB,
            incarnation=self.identity.incarnation,
        )

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.peering.port)

    async def start(self, port: int = 0, *, host: str = "127.0.0.1") -> None:
        await self.peering.start(host, port)

    async def stop(self) -> None:
        await self.peering.stop()
        self.identity.release()


def pair(*nodes: Node) -> None:
    """Let every node trust every other."""
    for node in nodes:
        for other in nodes:
            if other is not node:
                node.trust.pin(other.id, name=other.name)


def discovery_of(node: Node, *, listen_host: str = "127.0.0.1", interfaces: tuple[str, ...] = ()) -> Discovery:
    """Return a discovery that announces a node and tells its peering what it finds."""
    return Discovery(
        node.peering,
        node_id=node.id,
        device_class=DeviceClass.HUB,
        incarnation=node.identity.incarnation,
        listen_host=listen_host,
        port=node.peering.port,
        interfaces=interfaces,
    )
