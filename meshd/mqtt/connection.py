"""One connection to a broker. The only place that touches aiomqtt, which is imported on first use."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from types import ModuleType
from typing import Any

from meshd.errors import BrokerFailed
from meshd.mqtt.broker_address import BrokerAddress

CONNECT_S = 5.0
KEEPALIVE_S = 60
"""A broker declares a silent node dead after 1.5 times this. The mesh notices in seconds by itself, so the price,
a radio woken for each ping, is paid rarely."""


class Connection:
    """What an open connection can do. Everything raises BrokerFailed when the connection ends."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> None:
        """Publish, and with QoS 1 wait until the broker has taken it.

        Raises:
            BrokerFailed: the broker went away or refused the message.
        """
        try:
            await self._client.publish(topic, payload, qos=qos, retain=retain)
        except _library().MqttError as error:
            raise BrokerFailed(str(error)) from error
        if self._client.refused:
            reason = self._client.refused.pop()
            raise BrokerFailed(f"the broker refused a message to '{topic}': {reason}.", hint="Check its access rules.")

    async def ended(self) -> None:
        """Wait until the connection ends.

        Raises:
            BrokerFailed: always, in the end.
        """
        try:
            async for _ in self._client.messages:
                pass  # Nothing is subscribed to.
        except _library().MqttError as error:
            raise BrokerFailed("the connection to the broker was lost.") from error


async def knock(address: BrokerAddress) -> None:
    """Find out whether anybody is there, TLS included.

    aiomqtt connects in a thread that nothing can interrupt, for up to a minute; this attempt can be cancelled.

    Raises:
        BrokerFailed: nobody is.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(address.host, address.port, ssl=address.tls)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        raise BrokerFailed(f"the broker at {address.host}:{address.port} cannot be reached: {reason}") from error


@asynccontextmanager
async def connected(address: BrokerAddress, *, client_id: str, will: tuple[str, bytes]) -> AsyncIterator[Connection]:
    """Connect with MQTT 5 and a retained last will (topic, payload); disconnect in the end.

    Must not be cancelled before it yields, for a thread of aiomqtt's would be left with a socket; :func:`knock` first.

    Raises:
        BrokerFailed: nobody answers, or the broker refuses the login.
    """
    client = _client(address, client_id, will)
    mqtt_error = _library().MqttError
    try:
        await client.__aenter__()
    except mqtt_error as error:
        await _let_go(client, mqtt_error)
        raise BrokerFailed(f"the broker refuses the connection: {error}") from error
    try:
        yield Connection(client)
    finally:
        with suppress(mqtt_error):
            await client.__aexit__(None, None, None)


async def _let_go(client: Any, mqtt_error: type[Exception]) -> None:
    """Close the socket that aiomqtt leaves open, with a task beside it, when a broker does not answer a CONNECT."""
    client.timeout = 0.0
    with suppress(mqtt_error):
        await client.__aexit__(None, None, None)


def _client(address: BrokerAddress, client_id: str, will: tuple[str, bytes]) -> Any:
    library = _library()
    return _client_class()(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        tls_context=address.tls,
        identifier=client_id,
        protocol=library.ProtocolVersion.V5,
        will=library.Will(*will, qos=1, retain=True),
        timeout=CONNECT_S,
        keepalive=KEEPALIVE_S,
        max_queued_incoming_messages=1,
    )


@cache
def _client_class() -> type[Any]:
    class AttentiveClient(_library().Client):  # type: ignore[misc]
        """Keeps what aiomqtt drops: the reason code of a PUBACK. Without, a broker's refusal looks like success."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.refused: list[str] = []

        def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
            if reason_code.is_failure:
                self.refused.append(str(reason_code))
            super()._on_publish(client, userdata, mid, reason_code, properties)

    return AttentiveClient


@cache
def _library() -> ModuleType:
    with _without_http():
        import aiomqtt  # noqa: PLC0415 - see the module's docstring.
    return aiomqtt


@contextmanager
def _without_http() -> Iterator[None]:
    """Hide urllib.request while paho is imported: it loads http and email, and only SOCKS proxies ever use it.

    Source: resident memory that ``import aiomqtt`` adds beside asyncio: 4.5 MB with it, 1.5 MB without.
    """
    if "urllib.request" in sys.modules or importlib.util.find_spec("socks"):
        yield
        return
    sys.modules["urllib.request"] = ModuleType("urllib.request")
    try:
        yield
    finally:
        del sys.modules["urllib.request"]
