"""The tensors of live requests, who waits for them, and the last answers for those who ask again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct, field
from numpy.typing import NDArray
from typing_extensions import Buffer

from meshd.core.commands import Dispatch
from meshd.core.ids import NodeId, RequestId
from meshd.core.node import DeviceClass
from meshd.core.request import Privacy, Request
from meshd.executor.stage import Stage
from meshd.wire.messages import Infer, Message, TensorHeader

Array = NDArray[Any]
Send = Callable[[Message, Sequence[Buffer]], object]


class Asker(Struct, frozen=True):
    """Somebody who waits for an answer: a client's or a peer's session."""

    key: object
    """Tells askers apart: the session of a client, the node id of a peer."""
    send: Send


class Outputs(Struct, frozen=True):
    """Tensors of an answer as they go on the wire."""

    headers: tuple[TensorHeader, ...]
    parts: Sequence[Buffer]


Question = tuple[str, tuple[TensorHeader, ...], Privacy, DeviceClass | None]
"""What must be the same for two askers to share an answer, beside the input's bytes."""

MOST_LIVE_BYTES = 256 * 2**20
"""Input that all live requests together may hold: four of the largest, or thousands of what a sensor sends."""


class Entry(Struct):
    """One live request: its input, who asked, and what its attempts gave."""

    request: Request
    headers: tuple[TensorHeader, ...]
    payload: memoryview
    inputs: dict[str, Array]
    askers: list[Asker]
    outputs: dict[int, Outputs] = {}
    stages: dict[int, Stage] = {}
    out_at: dict[NodeId, Dispatch] = {}
    """What was asked of each peer that has not answered yet."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def question(self) -> Question:
        """Return what is asked, without the input's bytes."""
        return self.request.model, self.headers, self.request.privacy, self.request.min_tier

    def join(self, asker: Asker) -> None:
        """Answer one more; who asks again while it waits is answered once all the same."""
        self.askers = [*(other for other in self.askers if other.key != asker.key), asker]

    def is_same(self, infer: Infer, payload: memoryview) -> bool:
        """Tell whether another asker asks for exactly this."""
        return self.question == question_of(infer) and self.payload == payload


class Kept(Struct, frozen=True):
    """An answer that was given, for a client that lost its connection before it read it."""

    question: Question
    digest: bytes
    """SHA-256 of the input: the input itself would take the memory of a live request."""
    message: Message
    parts: Sequence[Buffer]
    n_bytes: int

    def is_same(self, infer: Infer, payload: memoryview) -> bool:
        """Tell whether another asker asks for exactly this."""
        return (self.question, self.digest) == (question_of(infer), sha256(payload).digest())


class Ledger:
    """Live requests by id, and a bounded memory of answers."""

    def __init__(self, *, max_kept: int = 256, max_kept_bytes: int = 8 * 2**20) -> None:
        self.idle = asyncio.Event()
        """Set while no request is alive."""
        self.idle.set()
        self.live_bytes = 0
        """Input that the live requests hold."""
        self._live: dict[RequestId, Entry] = {}
        self._kept: OrderedDict[RequestId, Kept] = OrderedDict()
        self._kept_bytes = 0
        self._max_kept = max_kept
        self._max_kept_bytes = max_kept_bytes

    def open(self, entry: Entry) -> None:
        """Hold a request from its arrival to its outcome."""
        self._live[entry.request.request_id] = entry
        self.live_bytes += len(entry.payload)
        self.idle.clear()

    def get(self, request_id: str) -> Entry | None:
        """Return a live request."""
        return self._live.get(RequestId(request_id))

    def close(self, request_id: RequestId) -> Entry | None:
        """Let a request go and return what was held; none when it is not live."""
        entry = self._live.pop(request_id, None)
        if entry:
            self.live_bytes -= len(entry.payload)
            entry.ended.set()
        if not self._live:
            self.idle.set()
        return entry

    async def turned_over(self) -> None:
        """Wait until every request that is alive now has ended."""
        for entry in list(self._live.values()):
            await entry.ended.wait()

    def asked_by(self, key: object) -> list[RequestId]:
        """Return the live requests that an asker waits for."""
        return [name for name, entry in self._live.items() if any(asker.key == key for asker in entry.askers)]

    def keep(self, entry: Entry, message: Message, parts: Sequence[Buffer]) -> None:
        """Remember an answer; the oldest go when there are too many or they take too much memory."""
        n_bytes = sum(memoryview(part).nbytes for part in parts)
        if n_bytes > self._max_kept_bytes:
            return
        digest = sha256(entry.payload).digest()
        kept = Kept(entry.question, digest, message, parts, n_bytes)
        self._kept[entry.request.request_id] = kept
        self._kept_bytes += n_bytes
        while len(self._kept) > self._max_kept or self._kept_bytes > self._max_kept_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.n_bytes

    def kept(self, request_id: str) -> Kept | None:
        """Return the answer that was given under an id, while it is remembered."""
        return self._kept.get(RequestId(request_id))


def question_of(infer: Infer) -> Question:
    """Return what a message asks, without the input's bytes."""
    return infer.model, infer.tensors, infer.privacy, infer.min_tier
