"""Measure round trips that do nothing: what a request cannot go below. 330 bytes there, 640 back, two processes.

Run: ``python docs/decisions/measure/bare_ways.py unix|tcp|tls|by_hand [--count 4000]``
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from typing_extensions import override

from meshd.daemon.event_loop import new_event_loop
from meshd.net.identity import Identity
from meshd.net.tls import client_context, server_context

QUESTION, ANSWER = bytes(330), bytes(640)
ROOM_BYTES = 64 * 2**10


class Side(asyncio.BufferedProtocol):
    """Calls ``on_whole`` whenever as many bytes have come as belong together."""

    def __init__(self, whole_bytes: int, on_whole: Callable[[Side], None]) -> None:
        self.whole_bytes = whole_bytes
        self.on_whole = on_whole
        self.buffer = memoryview(bytearray(ROOM_BYTES))
        self.n_bytes = 0
        self.opened = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.opened.set_result(None)

    @override
    def get_buffer(self, _sizehint: int) -> memoryview:
        return self.buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self.came(nbytes)

    def came(self, n_bytes: int) -> None:
        """Count what has come."""
        self.n_bytes += n_bytes
        if self.n_bytes >= self.whole_bytes:
            self.n_bytes = 0
            self.on_whole(self)

    def write(self, content: bytes) -> None:
        """Send."""
        self.transport.write(content)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


class SideByHand(Side):
    """Does TLS itself."""

    def __init__(
        self, whole_bytes: int, on_whole: Callable[[Side], None], context: ssl.SSLContext, *, accepts: bool
    ) -> None:
        super().__init__(whole_bytes, on_whole)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=accepts)
        self.plain = memoryview(bytearray(ROOM_BYTES))

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.shake_hands()

    def shake_hands(self) -> None:
        """Go on with the handshake as far as it goes."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            self.opened.set_result(None)
        self.transport.write(self.outgoing.read())

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self.incoming.write(self.buffer[:nbytes])
        if not self.opened.done():
            self.shake_hands()
        try:
            while self.opened.done():
                self.came(cast("int", self.tls.read(ROOM_BYTES, self.plain)))
        except ssl.SSLWantReadError:
            return

    @override
    def write(self, content: bytes) -> None:
        self.tls.write(content)
        self.transport.write(self.outgoing.read())


def main() -> None:
    """Measure one way and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("unix", "tcp", "tls", "by_hand"))
    parser.add_argument("--count", type=int, default=4000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Identity.load_or_create(Path(folder)) as identity:
        listener = socket.socket(socket.AF_UNIX if options.way == "unix" else socket.AF_INET)
        listener.bind(f"{folder}/socket" if options.way == "unix" else ("127.0.0.1", 0))
        listener.listen()
        if not (child := os.fork()):
            run(answer(options.way, listener, identity, options.count))
            os._exit(0)
        run(ask(options.way, listener.getsockname(), identity, options.count))
        os.waitpid(child, 0)


def run(measuring: Coroutine[Any, Any, None]) -> None:
    """Run on the loop that daemons have."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(measuring)


async def answer(way: str, listener: socket.socket, identity: Identity, count: int) -> None:
    """Accept one connection and answer on it until it ends."""
    sides: asyncio.Queue[Side] = asyncio.Queue()

    def new_side() -> Side:
        side = made(way, len(QUESTION), lambda asked: asked.write(ANSWER), server_context(identity), accepts=True)
        sides.put_nowait(side)
        return side

    tls = server_context(identity) if way == "tls" else None
    create = (
        asyncio.get_running_loop().create_unix_server if way == "unix" else asyncio.get_running_loop().create_server
    )
    await create(new_side, sock=listener, ssl=tls)
    side = await sides.get()
    await side.opened
    before_s = time.process_time()
    await side.ended
    print(f"answering: {(time.process_time() - before_s) / count * 1e6:.1f} us of processor time")


async def ask(way: str, address: object, identity: Identity, count: int) -> None:
    """Ask again whenever an answer has come."""
    times: list[float] = [time.perf_counter()]
    done = asyncio.get_running_loop().create_future()

    def go_on(side: Side) -> None:
        times.append(time.perf_counter())
        if len(times) > count:
            done.set_result(None)
        else:
            side.write(QUESTION)

    side = await connected(
        way, address, made(way, len(ANSWER), go_on, client_context(identity), accepts=False), identity
    )
    await side.opened
    before_s, times[0] = time.process_time(), time.perf_counter()
    side.write(QUESTION)
    await done
    spent_s = time.process_time() - before_s
    seconds = sorted(later - earlier for earlier, later in pairwise(times))
    print(f"{way}: p50 {seconds[count // 2] * 1e6:.1f} us, asking: {spent_s / count * 1e6:.1f} us of processor time")
    side.transport.abort()


def made(
    way: str, whole_bytes: int, on_whole: Callable[[Side], None], context: ssl.SSLContext, *, accepts: bool
) -> Side:
    """Return a side for this way."""
    if way == "by_hand":
        return SideByHand(whole_bytes, on_whole, context, accepts=accepts)
    return Side(whole_bytes, on_whole)


async def connected(way: str, address: object, side: Side, identity: Identity) -> Side:
    """Connect a side."""
    loop = asyncio.get_running_loop()
    if way == "unix":
        await loop.create_unix_connection(lambda: side, cast("str", address))
        return side
    host, port = cast("tuple[str, int]", address)
    await loop.create_connection(lambda: side, host, port, ssl=client_context(identity) if way == "tls" else None)
    return side


if __name__ == "__main__":
    main()
