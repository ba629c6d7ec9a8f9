"""How many requests a second one daemon answers when many ask at once."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from meshd.bench.tiny import NAME, TinyModel
from meshd.client import AsyncClient
from meshd.core.request import Privacy

CLIENTS = 16
"""Enough that the daemon always has a request waiting."""


async def measure_throughput_rps(model: TinyModel, endpoint: str, *, seconds: float) -> float:
    """Return the answers per second to clients that each have a connection and ask as soon as they are answered."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(AsyncClient(endpoint)) for _ in range(CLIENTS)]
        await _answers(model, clients, seconds=seconds / 10)  # Warms up.
        started = time.perf_counter()
        answered = await _answers(model, clients, seconds=seconds)
        return round(answered / (time.perf_counter() - started), 1)


async def _answers(model: TinyModel, clients: list[AsyncClient], *, seconds: float) -> int:
    end_s = time.perf_counter() + seconds

    async def keep_asking(client: AsyncClient) -> int:
        answered = 0
        while time.perf_counter() < end_s:
            await client.infer(NAME, model.inputs, privacy=Privacy.DEVICE)
            answered += 1
        return answered

    return sum(await asyncio.gather(*map(keep_asking, clients)))
