"""A daemon's endpoint without the daemon: what comes in is kept, what goes out the test decides."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest_asyncio

from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.ids import ModelName, NodeId
from meshd.core.node import DeviceClass
from meshd.errors import LinkError
from meshd.net.endpoint import ClientEndpoint
from meshd.net.session import Session
from meshd.net.session_limits import SessionLimits
from meshd.wire.messages import Document, Hello, Infer, Message, Query, Refusal, Result

NODE_ID = NodeId("a" * 64)
ANSWER = Answer(
    model=ModelName("toy"),
    version="1.0.0",
    tier=DeviceClass.WATCH,
    variant="fp32",
    score=0.25,
    anomalous=False,
    confidence=0.75,
    degraded=False,
    escalations=0,
    route=(Hop(node_id=NODE_ID, node="watch", tier=DeviceClass.WATCH, variant="fp32", compute_s=0.001),),
    timings=Timings(total_s=0.002),
    energy=Energy(joules=0.003),
)

Script = Callable[["FakeDaemon", Session, Message, bytes], None]


def echo(_daemon: FakeDaemon, session: Session, message: Message, payload: bytes) -> None:
    """Answer an inference with its own input, a question with an empty list."""
    match message:
        case Infer():
            session.send(Result(request_id=message.request_id, answer=ANSWER, tensors=message.tensors), (payload,))
        case Query():
            session.send(Document(request_id=message.request_id), (b'{"node_id": "a", "name": "watch", "peers": []}',))
        case _:
            return


def silence(_daemon: FakeDaemon, _session: Session, _message: Message, _payload: bytes) -> None:
    """Answer nothing."""


def refuse(code: str, sentence: str) -> Script:
    """Answer everything with a refusal."""

    def script(_daemon: FakeDaemon, session: Session, message: Message, _payload: bytes) -> None:
        if isinstance(message, Infer | Query):
            session.send(Refusal(request_id=message.request_id, code=code, message=sentence))

    return script


class FakeDaemon:
    """Speaks as a daemon to clients on a unix socket, as its script says."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.script: Script = echo
        self.received: list[Message] = []
        self.sessions: list[Session] = []
        self.limits = SessionLimits()
        self._endpoint: ClientEndpoint | None = None

    async def start(self) -> None:
        self._endpoint = ClientEndpoint(lambda: Hello(role="client", name="fake"), self._welcome, limits=self.limits)
        await self._endpoint.listen_unix(self.socket)

    async def stop(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.stop()
            self._endpoint = None

    def asked(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.received if isinstance(message, kind)]

    def _welcome(self, session: Session) -> None:
        self.sessions.append(session)
        session.on_message = self._heard
        session.on_closed = self._gone

    def _heard(self, session: Session, message: Message, payload: memoryview) -> None:
        self.received.append(message)
        self.script(self, session, message, bytes(payload))

    def _gone(self, session: Session, _error: LinkError | None) -> None:
        self.sessions.remove(session)


@pytest_asyncio.fixture
async def daemon() -> AsyncIterator[FakeDaemon]:
    """Return a daemon that answers with what it is given."""
    folder = Path(tempfile.mkdtemp(prefix="meshd-test-"))  # Short: a unix socket's path has room for 107 bytes.
    fake = FakeDaemon(folder / "d.sock")
    await fake.start()
    yield fake
    await fake.stop()
    shutil.rmtree(folder)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a state, looking again at every turn of the loop."""
    async with asyncio.timeout(30.0):
        while not condition():  # noqa: ASYNC110 - it looks at many objects; no single event tells of them all
            await asyncio.sleep(0.001)


INPUTS = {"ecg": np.arange(4, dtype=np.float32)}
