"""How many requests a second one daemon answers when many ask at once, and MLServer beside it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from statistics import median

from msgspec import Struct

from meshd.bench.mlserver import running_mlserver
from meshd.bench.tiny import NAME, TinyModel
from meshd.client import AsyncClient
from meshd.core.request import Privacy

CLIENTS = 16
"""Enough that a server always has a request waiting."""


class Rates(Struct, frozen=True, kw_only=True):
    """Answers a second to clients that each have a connection and ask as soon as they are answered."""

    meshd: float
    mlserver: float | None
    """None unless it was asked for."""


async def measure_rates(model: TinyModel, endpoint: str, *, seconds: float, rounds: int, mlserver: bool) -> Rates:
    """Return the medians of some rounds, in which the two servers take turns.

    Raises:
        SetupError: MLServer is wanted and cannot be had.
    """
    ours, theirs = [], []
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(running_mlserver(model)) if mlserver else None
        for _ in range(rounds):
            ours.append(await measure_throughput_rps(model, endpoint, seconds=seconds))
            if other is not None:
                await other.measure_rps(CLIENTS, seconds=seconds / 10)  # Warms up.
                theirs.append(await other.measure_rps(CLIENTS, seconds=seconds))
    return Rates(meshd=median(ours), mlserver=median(theirs) if theirs else None)


async def measure_throughput_rps(model: TinyModel, endpoint: str, *, seconds: float) -> float:
    """Return the answers per second of the daemon at an endpoint."""
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
