"""A way to the broker that a test can cut, while the broker and whoever listens there stay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Hands bytes to and fro between a port of its own and the broker's."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        """Let connections through, at the same port as before."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections and refuse new ones."""
        assert self._server is not None
        self._server.close()
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        try:
            to_broker, from_broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
            with suppress(asyncio.CancelledError):
                await asyncio.gather(_pour(reader, from_broker), _pour(to_broker, writer))
            from_broker.close()
        finally:
            writer.close()
            self._carrying.discard(task)


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await source.read(65_536):
            target.write(chunk)
            await target.drain()
    target.close()


@asynccontextmanager
async def relay_to(broker_port: int) -> AsyncIterator[Relay]:
    """Give an open way to the broker."""
    relay = Relay(broker_port)
    await relay.open()
    try:
        yield relay
    finally:
        await relay.cut()
