"""Measure one round trip between two sessions in two processes: plain TCP, TLS, bare asyncio as the floor.

Run: ``python docs/decisions/measure/round_trip.py [--bytes 8192] [--small-back] [--loop uvloop] [--count 20000]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from typing_extensions import override

from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.ids import ModelName, NodeId
from meshd.core.node import DeviceClass
from meshd.daemon.event_loop import new_event_loop
from meshd.net.identity import Identity
from meshd.net.session import Session
from meshd.net.tls import client_context, server_context
from meshd.wire.messages import Hello, Infer, Message, Result
from meshd.wire.tensors import decode_tensors, encode_tensors

ANSWER = Answer(
    model=ModelName("ecg-anomaly"),
    version="1.0.0",
    tier=DeviceClass.HUB,
    variant="fp32",
    score=0.25,
    anomalous=False,
    confidence=0.75,
    degraded=False,
    escalations=0,
    route=(Hop(node_id=NodeId("a" * 64), node="hub", tier=DeviceClass.HUB, variant="fp32", compute_s=0.001),),
    timings=Timings(total_s=0.002),
    energy=Energy(joules=0.003),
)
SMALL = {"logits": np.zeros((1, 5), np.float32)}
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": new_event_loop}


def hello() -> Hello:
    """Return a hello that any side accepts."""
    return Hello(role="client", name="benchmark")


class BareEcho(asyncio.BufferedProtocol):
    """Sends back every ``n_bytes`` it got; what asyncio and the kernel take by themselves."""

    def __init__(self, n_bytes: int, on_turn: Callable[[BareEcho], None] | None = None) -> None:
        self.buffer = memoryview(bytearray(n_bytes))
        self.filled = 0
        self.on_turn = on_turn or BareEcho.reply
        self.transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it.

    @override
    def get_buffer(self, _sizehint: int) -> memoryview:
        return self.buffer[self.filled :]

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self.filled += nbytes
        if self.filled == len(self.buffer):
            self.filled = 0
            self.on_turn(self)

    def reply(self) -> None:
        """Send as many bytes as came."""
        self.transport.write(bytes(self.buffer))


def echo(session: Session, message: Message, payload: memoryview, *, small: bool) -> None:
    """Answer an Infer with its own tensors, decoded and encoded again, or with a small one."""
    assert isinstance(message, Infer)
    tensors = decode_tensors(message.tensors, payload)
    headers, parts = encode_tensors(SMALL if small else tensors)
    session.send(Result(request_id=message.request_id, answer=ANSWER, tensors=headers), parts)


async def serve(kind: str, context: ssl.SSLContext | None, n_bytes: int, tell_port: int, *, small: bool) -> None:
    """Answer one kind of connection for as long as the benchmark runs."""

    def protocol() -> asyncio.BaseProtocol:
        if kind.startswith("bare"):
            return BareEcho(n_bytes)
        session = Session(hello, dialled=False, trusts=lambda _found: True)
        session.on_message = partial(echo, small=small)
        return session

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=context)
    os.write(tell_port, str(server.sockets[0].getsockname()[1]).encode())
    await server.serve_forever()


async def time_bare(port: int, context: ssl.SSLContext | None, n_bytes: int, count: int) -> list[float]:
    """Return seconds of each round trip without any protocol of ours."""
    done = asyncio.get_running_loop().create_future()
    moments = []

    def turn(protocol: BareEcho) -> None:
        moments.append(time.perf_counter())
        if len(moments) > count:
            done.set_result(None)
        else:
            protocol.reply()

    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(lambda: BareEcho(n_bytes, turn), "127.0.0.1", port, ssl=context)
    protocol.reply()
    await done
    transport.close()
    return np.diff(moments).tolist()


async def time_session(port: int, context: ssl.SSLContext | None, n_bytes: int, count: int) -> list[float]:
    """Return seconds of each round trip of an Infer with one float32 tensor that comes back."""
    done = asyncio.get_running_loop().create_future()
    tensor = {"ecg": np.zeros((1, n_bytes // 4), np.float32)}
    moments = []

    def turn(session: Session, message: Message, payload: memoryview) -> None:
        assert isinstance(message, Result)
        decode_tensors(message.tensors, payload)
        moments.append(time.perf_counter())
        if len(moments) > count:
            done.set_result(None)
        else:
            ask(session)

    def ask(session: Session) -> None:
        headers, parts = encode_tensors(tensor)
        number = f"{len(moments):024d}"
        session.send(Infer(request_id=number, model="ecg-anomaly", tensors=headers, deadline_s=1.0), parts)

    session = Session(hello, dialled=True, trusts=lambda _found: True)
    session.on_message = turn
    await asyncio.get_running_loop().create_connection(lambda: session, "127.0.0.1", port, ssl=context)
    session.greet()
    await session.opened()
    await session.afforded(n_bytes)
    ask(session)
    await done
    session.close()
    await session.closed()
    return np.diff(moments).tolist()


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return contexts of two nodes: one to accept with and one to dial with."""
    with Identity.load_or_create(folder / "a") as one, Identity.load_or_create(folder / "b") as two:
        return server_context(one), client_context(two)


def measure(
    kind: str,
    server: ssl.SSLContext | None,
    client: ssl.SSLContext | None,
    *,
    n_bytes: int,
    count: int,
    small: bool,
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> dict[str, float]:
    """Return percentiles in microseconds of one kind, with the answering side in a child process."""
    port_reader, port_writer = os.pipe()
    child = os.fork()
    if child == 0:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(serve(kind, server, n_bytes, port_writer, small=small))
        os._exit(0)
    try:
        port = int(os.read(port_reader, 16))
        timed = time_bare if kind.startswith("bare") else time_session
        with asyncio.Runner(loop_factory=loop) as runner:
            seconds = runner.run(timed(port, client, n_bytes, count))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    warm = np.array(seconds[count // 10 :]) * 1e6
    return {
        name: round(float(np.percentile(warm, q)), 1) for name, q in (("p50_us", 50), ("p90_us", 90), ("p99_us", 99))
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=8192)
    parser.add_argument("--small-back", action="store_true", help="sessions answer with 20 bytes")
    parser.add_argument("--loop", choices=LOOPS, default="asyncio")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, client = contexts(Path(folder))
    found = {
        kind: measure(
            kind,
            *pair,
            n_bytes=arguments.bytes,
            count=arguments.count,
            small=arguments.small_back,
            loop=LOOPS[arguments.loop],
        )
        for kind, pair in {
            "bare TCP": (None, None),
            "bare TLS": (server, client),
            "session TCP": (None, None),
            "session TLS": (server, client),
        }.items()
    }
    if arguments.json:
        json.dump({"bytes": arguments.bytes, "count": arguments.count, "round_trips": found}, sys.stdout)
        return
    for kind, figures in found.items():
        print(f"{kind:12}", *(f"{name} {value:7.1f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
