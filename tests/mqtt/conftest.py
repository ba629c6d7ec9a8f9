"""A real broker, and a subscriber that collects what it hears."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiomqtt
import pytest

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass, NodeProfile
from meshd.mqtt.broker import EmbeddedBroker
from meshd.mqtt.broker_address import BrokerAddress
from meshd.mqtt.mqtt_edge import MqttEdge
from meshd.mqtt.outbox import Outbox
from model_registry.device_class import device_class

NODE = NodeProfile(
    node_id=NodeId("ab" * 32),
    name="kitchen",
    device_class=DeviceClass.HUB,
    incarnation=1,
    slots=1,
    power=device_class("hub").power,
)
WHO = {"node_id": NODE.node_id, "name": "kitchen", "class": "hub"}
PREFIX = "meshd/abababababab"
WAIT_S = 20.0


class Heard(NamedTuple):
    """A message as a subscriber sees it."""

    topic: str
    payload: dict[str, Any]
    retained: bool


class Ear:
    """Collects messages, so that a test can wait for the one it is about."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._more = asyncio.Event()

    def add(self, heard: Heard) -> None:
        self.heard.append(heard)
        self._more.set()

    async def until(self, reached: Callable[[list[Heard]], object]) -> list[Heard]:
        """Wait until what was heard satisfies a condition, and return all of it."""
        async with asyncio.timeout(WAIT_S):
            while not reached(self.heard):
                self._more.clear()
                await self._more.wait()
        return self.heard

    async def status(self, state: str) -> Heard:
        """Wait for a status and return it."""
        heard = await self.until(lambda heard: any(h.payload.get("state") == state for h in heard))
        return [h for h in heard if h.payload.get("state") == state][-1]

    def anomalies(self) -> list[dict[str, Any]]:
        return [h.payload for h in self.heard if h.topic.endswith("/anomaly")]


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Ear]:
    """Subscribe to everything of the mesh."""
    ear = Ear()
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("meshd/#", qos=1)
        collecting = asyncio.create_task(_collect(client, ear))
        try:
            yield ear
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)


async def _collect(client: aiomqtt.Client, ear: Ear) -> None:
    async for message in client.messages:
        assert isinstance(message.payload, bytes)
        ear.add(Heard(str(message.topic), json.loads(message.payload), message.retain))


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


MakeEdge = Callable[..., AbstractAsyncContextManager[MqttEdge]]


@pytest.fixture
def edge(tmp_path: Path) -> MakeEdge:
    """Make a started edge that talks to a port; without jitter it tries again fast."""

    @asynccontextmanager
    async def make(port: int | None, *, outbox: Outbox | None = None) -> AsyncIterator[MqttEdge]:
        address = BrokerAddress(host="127.0.0.1", port=port) if port else None
        made = MqttEdge(address, NODE, outbox or Outbox(tmp_path / "outbox.db"), jitter=lambda: 0.0)
        made.start()
        try:
            yield made
        finally:
            await made.aclose()

    return make


async def until(condition: Callable[[], object]) -> None:
    """Wait for a state that nothing announces."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - the other side is a process or a thread of a library.
            await asyncio.sleep(0.01)


@asynccontextmanager
async def publishing(port: int, outbox: Path, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process that has put events into its outbox; it is killed in the end."""
    command = [sys.executable, "-m", "tests.mqtt.publisher", str(port), str(outbox), str(count)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"settled\n"
        yield process
    finally:
        process.kill()
        await process.wait()
