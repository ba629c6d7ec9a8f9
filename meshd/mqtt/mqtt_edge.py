"""Keeps a connection to the broker and publishes what the daemon gives it, in the background."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from random import random
from time import monotonic
from typing import Any, Literal
from uuid import uuid4

import msgspec

from meshd import log
from meshd.core.node import NodeProfile
from meshd.documents import MqttState
from meshd.errors import BrokerFailed
from meshd.mqtt.broker_address import BrokerAddress
from meshd.mqtt.connection import Connection, connected, knock
from meshd.mqtt.event_queue import EventQueue
from meshd.mqtt.outbox import Event, Outbox
from meshd.mqtt.topics import ANOMALY, ID_LENGTH, MODEL, Topics

FIRST_DELAY_S = 0.5
MOST_DELAY_S = 30.0
"""Longer, and a home's dashboard stays dark after the broker's restart; shorter, and a radio is woken for nothing."""
BATCH = 32
"""Events published between two clean-ups of the outbox: what is sent again after a crash in between."""
MOST_EVENT_BYTES = 65_536
"""A broker refuses a message that it finds too large, and would refuse it for ever, with all others behind it."""
FAREWELL_S = 1.0
"""How long a stop waits for the broker to take what is left; the rest is in the outbox."""


class MqttEdge:
    """Publishes status, telemetry and events of one node. No method that publishes waits, blocks or raises.

    Status and telemetry are the newest only: what was not sent in time is replaced. Events go through the outbox.
    """

    def __init__(
        self,
        address: BrokerAddress | None,
        node: NodeProfile,
        outbox: Outbox,
        *,
        jitter: Callable[[], float] = random,
    ) -> None:
        """Prepare for a broker; without an address nothing is ever published and events are not kept."""
        self._address = address
        self._who = {"node_id": node.node_id, "name": node.name, "class": str(node.device_class)}
        self._client_id = f"meshd-{node.node_id[:ID_LENGTH]}"
        self._topics = Topics.of(node.node_id, address.username if address else None)
        self._work = asyncio.Event()
        self._stop = asyncio.Event()
        self._events = EventQueue(outbox, committed=self._work.set)
        self._status: bytes | None = None
        self._telemetry: bytes | None = None
        self._jitter = jitter
        self._state: Literal["off", "connecting", "connected", "lost"] = "connecting" if address else "off"
        self._since_s = monotonic()
        self._last_error: str | None = None
        self._log = log.get_logger()
        self._serving: asyncio.Task[None] | None = None
        if outbox.put_aside:
            self._log.error(log.OUTBOX_REPLACED, reason="damaged", kept_as=str(outbox.put_aside))

    @property
    def state(self) -> MqttState:
        """Return how it stands with the broker."""
        return MqttState(
            state=self._state,
            url=f"{self._address.host}:{self._address.port}" if self._address else None,
            since_s=monotonic() - self._since_s,
            last_error=self._last_error or self._events.last_error,
            queued=self._events.queued,
            dropped=self._events.dropped,
        )

    def start(self) -> None:
        """Begin to connect, and to connect again whenever that is needed."""
        if self._address is not None:
            self._serving = asyncio.create_task(self._serve(self._address), name="mqtt")

    def publish_status(self, fields: Mapping[str, Any]) -> None:
        """Publish how the node is, retained; a later one replaces it."""
        self._status = _json({"state": "online", **self._who, **fields})
        self._work.set()

    def publish_telemetry(self, fields: Mapping[str, Any]) -> None:
        """Publish a sample; lost when the broker is away."""
        if self._state == "connected":
            self._telemetry = _json({**self._who, "at": _now(), **fields})
            self._work.set()

    def publish_anomaly(self, event: Mapping[str, Any]) -> str:
        """Publish an alarm at least once, also over restarts of broker and daemon, and return its id.

        An ``id`` in the event is kept; the same one twice is one event. Durable once :meth:`settled` returns.
        """
        return self._publish(ANOMALY, event)

    def publish_finding(self, event: Mapping[str, Any]) -> str:
        """Publish what was wrong with a model, as durably as an alarm, and return the event's id."""
        return self._publish(MODEL, event)

    async def settled(self) -> None:
        """Wait until all events published before are on disk, or have failed to get there."""
        await self._events.settled()

    async def aclose(self) -> None:
        """Say goodbye to the broker, if there is one, and close the outbox."""
        await self._events.settled()
        self._stop.set()
        if self._serving is not None:
            await self._serving
        await self._events.aclose()

    async def _serve(self, address: BrokerAddress) -> None:
        delays = _delays(self._jitter)
        while not self._stop.is_set():
            try:
                await _first_of(knock(address), self._stop.wait())
                if self._stop.is_set():
                    return
                async with connected(address, client_id=self._client_id, will=self._will()) as connection:
                    delays = _delays(self._jitter)
                    await self._converse(connection)
            except (BrokerFailed, sqlite3.Error) as error:
                self._lost(error)
            except Exception as error:  # noqa: BLE001 - the task's boundary: a fault must not end publishing for good.
                self._log.error(log.TASK_FAILED, task="mqtt", exc_info=error)
                self._lost(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), next(delays))

    async def _converse(self, connection: Connection) -> None:
        self._turn("connected")
        self._log.info(log.BROKER_CONNECTED, queued=self._events.queued)
        if self._status is None:
            self.publish_status({})
        self._work.set()
        await _first_of(self._publish_forever(connection), connection.ended(), self._stop.wait())
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._publish_events(connection)
                await connection.publish(*self._will(), qos=1, retain=True)

    async def _publish_forever(self, connection: Connection) -> None:
        told = None
        while True:
            await self._work.wait()
            self._work.clear()
            if self._status is not None and self._status != told:
                told = self._status
                await connection.publish(self._topics.status, told, qos=1, retain=True)
            if self._telemetry is not None:
                sample, self._telemetry = self._telemetry, None
                await connection.publish(self._topics.telemetry, sample, qos=0)
            await self._publish_events(connection)

    async def _publish_events(self, connection: Connection) -> None:
        while batch := await self._events.oldest(BATCH):
            taken: list[Event] = []
            try:
                for event in batch:
                    await connection.publish(self._topics.events(event.kind), event.payload, qos=1)
                    taken.append(event)
            finally:
                await self._events.remove(taken)

    def _publish(self, kind: str, event: Mapping[str, Any]) -> str:
        event_id = str(event.get("id") or uuid4().hex)
        payload = _json({**self._who, "at": _now(), **event, "id": event_id})
        if len(payload) > MOST_EVENT_BYTES:
            self._log.error(log.MESSAGE_DROPPED, reason="event too large", event_id=event_id, n_bytes=len(payload))
        elif self._address is not None:
            self._events.put(Event(event_id=event_id, kind=kind, payload=payload))
        return event_id

    def _will(self) -> tuple[str, bytes]:
        return self._topics.status, _json({"state": "offline", **self._who})

    def _lost(self, error: Exception) -> None:
        self._last_error = str(error)
        if self._state != "lost":  # Said once, not with every vain try.
            self._log.warning(log.BROKER_LOST, reason=str(error))
            self._turn("lost")

    def _turn(self, state: Literal["connected", "lost"]) -> None:
        self._state, self._since_s = state, monotonic()
        if state == "connected":
            self._last_error = None


async def _first_of(*awaited: Coroutine[Any, Any, object]) -> None:
    """Run all until the first ends; cancel the others and raise what the first raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in awaited]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _delays(jitter: Callable[[], float]) -> Iterator[float]:
    """Yield the seconds to wait after each failure in a row: doubling, spread, bounded."""
    delay_s = FIRST_DELAY_S
    while True:
        yield delay_s * (0.5 + 0.5 * jitter())
        delay_s = min(2 * delay_s, MOST_DELAY_S)


def _json(fields: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(fields, enc_hook=str)  # What JSON does not know becomes text: publishing never raises.


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
