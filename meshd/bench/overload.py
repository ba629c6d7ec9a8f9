"""What happens to a daemon's memory when it is asked for more than it can do, and by one that does not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psutil

from meshd.bench.report import Overload
from meshd.bench.tiny import NAME, TinyModel
from meshd.client.conversation import new_request_id
from meshd.net.session import Session
from meshd.wire.messages import Hello, Infer
from meshd.wire.tensors import encode_tensors

_BURST = 64
"""Requests that are sent before anything is read."""


async def measure_overload(model: TinyModel, endpoint: str, pid: int, *, seconds: float) -> Overload:
    """Ask as fast as credit lasts, beside somebody who asks as much and reads nothing, and look at the memory."""
    process = psutil.Process(pid)
    async with AsyncExitStack() as stack:
        fast = await stack.enter_async_context(_flooding(model, endpoint))
        deaf = await stack.enter_async_context(_flooding(model, endpoint))
        deaf.stop_reading()
        await asyncio.sleep(seconds / 5)
        start_mb, already = _resident_mb(process), fast.n_sent
        await asyncio.sleep(seconds)
        return Overload(start=start_mb, end=_resident_mb(process), sent=fast.n_sent - already)


@asynccontextmanager
async def _flooding(model: TinyModel, endpoint: str) -> AsyncIterator[Flood]:
    flood = Flood(model)
    await flood.open(endpoint)
    task = asyncio.create_task(flood.run())
    try:
        yield flood
    finally:
        task.cancel()
        flood.session.abort()
        await asyncio.gather(task, flood.session.closed(), return_exceptions=True)


class Flood:
    """Sends requests and does not wait for answers."""

    def __init__(self, model: TinyModel) -> None:
        self.n_sent = 0
        self.session = Session(lambda: Hello(role="client", name="flood"), dialled=True)
        self._headers, self._parts = encode_tensors(model.inputs)
        self._transport: asyncio.Transport
        self._n_bytes = sum(map(len, self._parts))

    async def open(self, endpoint: str) -> None:
        """Connect to the daemon."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: self.session, endpoint)
        self.session.greet()
        await self.session.opened()

    def stop_reading(self) -> None:
        """Let everything that the daemon sends from now on wait there."""
        self._transport.pause_reading()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            for _ in range(_BURST):
                await self.session.afforded(self._n_bytes)
                self.n_sent += self.session.send(self._question(), self._parts)
            await asyncio.sleep(0)

    def _question(self) -> Infer:
        return Infer(request_id=new_request_id(), model=NAME, tensors=self._headers, deadline_s=1.0)


def _resident_mb(process: psutil.Process) -> float:
    return round(process.memory_info().rss / 1e6, 1)
