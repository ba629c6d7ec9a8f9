"""What a heartbeat waits behind a model on its way over a slow link, by the link's rate and the batch asked for.

Two sessions in one process, joined by a proxy that lets so many bytes a second through, in order. Run with the python
of the virtual environment; loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import time
from contextlib import suppress

import numpy as np

from meshd.core.node import Telemetry
from meshd.daemon.models import pace
from meshd.daemon.models.fetcher import Fetcher
from meshd.daemon.models.source import Source
from meshd.net.session import Session
from meshd.wire.messages import Fetch, Fetched, Heartbeat, Hello, Inventory, Message
from model_registry.pieces import PieceMap

ARTIFACT = "ab" * 32
BEAT_S = 0.1
_TICK_S = 0.002


class Link:
    """A proxy with a rate; what it has taken in and not let through is as little as the system allows."""

    def __init__(self, port: int, rate_bps: float) -> None:
        self._port = port
        self._byte_s = 8.0 / rate_bps
        self._pumps: list[asyncio.Task[None]] = []

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways."""
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._pumps = [
            asyncio.create_task(self._pump(reader, other_writer)),
            asyncio.create_task(self._pump(other_reader, writer)),
        ]

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        owed_s = time.perf_counter()
        with suppress(ConnectionError):
            while chunk := await reader.read(4096):
                owed_s = max(owed_s, time.perf_counter()) + len(chunk) * self._byte_s
                if (wait_s := owed_s - time.perf_counter()) > _TICK_S:
                    await asyncio.sleep(wait_s)
                writer.write(chunk)
        writer.close()


class Transfer:
    """A model on its way from one session to the other, with heartbeats beside it."""

    def __init__(self, size_bytes: int) -> None:
        self.come_bytes = 0
        self.trips_s: list[float] = []
        self._content = random.Random(0).randbytes(size_bytes)  # noqa: S311 - nothing secret
        self._map = PieceMap.of(self._content)
        self._sent_s: dict[int, float] = {}
        self._source: Source

    async def run(self, lender: Session, borrower: Session, seconds: float) -> float:
        """Fetch for so long, or until all has come, and return how long that was."""
        self._source = Source("lender", borrower.send, patience_s=120.0)
        self._source.inventory = Inventory(artifacts=(ARTIFACT,))
        lender.on_message, borrower.on_message = self._lend, self._hear
        fetcher = Fetcher(lambda: (self._source,))
        fetching = asyncio.create_task(fetcher.fetch_into(self._keep, ARTIFACT, self._map, range(self._map.count)))
        started_s = time.perf_counter()
        while not fetching.done() and time.perf_counter() - started_s < seconds:
            self._sent_s[len(self._sent_s)] = time.perf_counter()
            borrower.send(Heartbeat(sequence=len(self._sent_s) - 1, telemetry=Telemetry()))
            await asyncio.sleep(BEAT_S)
        took_s = time.perf_counter() - started_s
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)
        return took_s

    def _lend(self, session: Session, message: Message, _payload: memoryview) -> None:
        if isinstance(message, Fetch):
            extents = [self._map.extent(message.first + index) for index in range(message.count)]
            parts = [self._content[start : start + length] for start, length in extents]
            session.send(Fetched(request_id=message.request_id), parts)
        elif isinstance(message, Heartbeat):
            session.send(Heartbeat(sequence=message.sequence, telemetry=Telemetry(), echo=True))

    def _hear(self, _session: Session, message: Message, payload: memoryview) -> None:
        if isinstance(message, Fetched):
            self._source.answered(message, payload)
        elif isinstance(message, Heartbeat):
            self.trips_s.append(time.perf_counter() - self._sent_s[message.sequence])

    async def _keep(self, pieces: dict[int, bytes], _giver: str) -> None:
        self.come_bytes += sum(map(len, pieces.values()))


async def measure(rate_bps: float, size_bytes: int, seconds: float) -> tuple[float, float]:
    """Return the rate of a fetch in bits a second, and the 99th percentile of a heartbeat's round trip beside it."""
    lender, borrower, proxy, server = await _joined(rate_bps)
    transfer = Transfer(size_bytes)
    took_s = await transfer.run(lender, borrower, seconds)
    for session in (borrower, lender):
        session.abort()
    proxy.close()
    server.close()
    return transfer.come_bytes * 8 / took_s, float(np.percentile(transfer.trips_s, 99))


async def _joined(rate_bps: float) -> tuple[Session, Session, asyncio.Server, asyncio.Server]:
    loop = asyncio.get_running_loop()
    lender = Session(lambda: Hello(role="client", name="lender"), dialled=False)
    server = await loop.create_server(lambda: lender, "127.0.0.1", 0)
    link = Link(server.sockets[0].getsockname()[1], rate_bps)
    proxy = await asyncio.start_server(link.join, "127.0.0.1", 0, limit=8192)
    _, borrower = await loop.create_connection(
        lambda: Session(lambda: Hello(role="client", name="borrower"), dialled=True),
        "127.0.0.1",
        proxy.sockets[0].getsockname()[1],
    )
    borrower.greet()
    await borrower.opened()
    return lender, borrower, proxy, server


def main() -> None:
    """Print one row of a table for each link and model, with batches that adapt and with ones that do not."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20.0)
    seconds = options.parse_args().seconds
    print("| link | model | batches | of the link's rate | heartbeat, p99 |")
    print("|---|---|---|---|---|")
    adapting = pace.SLOW_S, pace.QUICK_S
    for rate_bps, size_bytes in itertools.product((1e6, 8e6, 50e6), (4 * 2**20, 20 * 2**20)):
        for name, bounds_s in (("adapt", adapting), ("64 KiB", (float("inf"), float("inf")))):
            pace.SLOW_S, pace.QUICK_S = bounds_s
            got_bps, trip_s = asyncio.run(measure(rate_bps, size_bytes, seconds))
            link, model = f"{rate_bps / 1e6:.0f} Mbit/s", f"{size_bytes / 2**20:.0f} MiB"
            print(f"| {link} | {model} | {name} | {got_bps / rate_bps:.0%} | {trip_s * 1e3:.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
