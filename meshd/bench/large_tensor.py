"""How long a large tensor takes to a peer and a small one back: two sessions in two processes, over TLS."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from meshd.bench.report import Quantiles
from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.ids import ModelName, NodeId
from meshd.core.node import DeviceClass
from meshd.daemon.event_loop import new_event_loop
from meshd.net.identity import Identity
from meshd.net.session import Session
from meshd.net.tls import client_context, server_context
from meshd.wire.messages import Hello, Infer, Message, Result
from meshd.wire.tensors import decode_tensors, encode_tensors

LARGE = {"picture": np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)}
"""602 kB: what a vision model takes."""
SMALL = {"logits": np.zeros((1, 5), np.float32)}
_ANSWER = Answer(
    model=ModelName("large"),
    version="1.0.0",
    tier=DeviceClass.HUB,
    variant="fp32",
    score=None,
    anomalous=None,
    confidence=None,
    degraded=False,
    escalations=0,
    route=(Hop(node_id=NodeId("a" * 64), node="hub", tier=DeviceClass.HUB, variant="fp32", compute_s=0.0),),
    timings=Timings(),
    energy=Energy(),
)


def measure_large_tensor(calls: int) -> Quantiles:
    """Time round trips, tensors encoded and decoded on both sides; the first tenth does not count."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory(prefix="meshd-") as folder:
        peer = context.Process(target=_serve, args=(Path(folder), theirs), daemon=True)
        peer.start()
        try:
            port = ours.recv()
            with Identity.load_or_create(Path(folder) / "one") as identity:
                tls = client_context(identity)
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                seconds = runner.run(_round_trips(port, tls, calls))
        finally:
            peer.terminate()
            peer.join()
    return Quantiles.of(seconds[calls // 10 :])


async def _round_trips(port: int, tls: ssl.SSLContext, calls: int) -> list[float]:
    answered = asyncio.Event()
    seconds: list[float] = []

    def take(_session: Session, message: Message, payload: memoryview) -> None:
        if isinstance(message, Result):
            decode_tensors(message.tensors, payload)
            answered.set()

    session = _session(dialled=True, take=take)
    await asyncio.get_running_loop().create_connection(lambda: session, "127.0.0.1", port, ssl=tls)
    session.greet()
    await session.opened()
    for number in range(calls):
        started = time.perf_counter()
        headers, parts = encode_tensors(LARGE)
        await session.afforded(sum(map(len, parts)))
        session.send(Infer(request_id=str(number), model="large", tensors=headers, deadline_s=1.0), parts)
        await answered.wait()
        answered.clear()
        seconds.append(time.perf_counter() - started)
    session.close()
    await session.closed()
    return seconds


def _serve(folder: Path, tell: Connection) -> None:
    """Answer as a peer would; runs in a process of its own until it is ended."""
    with Identity.load_or_create(folder / "two") as identity:
        tls = server_context(identity)

    async def listen() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: _session(dialled=False, take=_answer), "127.0.0.1", 0, ssl=tls
        )
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(listen())


def _answer(session: Session, message: Message, payload: memoryview) -> None:
    if isinstance(message, Infer):
        decode_tensors(message.tensors, payload)
        headers, parts = encode_tensors(SMALL)
        session.send(Result(request_id=message.request_id, answer=_ANSWER, tensors=headers), parts)


def _session(*, dialled: bool, take: Callable[[Session, Message, memoryview], None]) -> Session:
    session = Session(lambda: Hello(role="client", name="bench"), dialled=dialled, trusts=lambda _found: True)
    session.on_message = take
    return session
