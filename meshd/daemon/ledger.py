"""The tensors of live requests, who waits for them, and the last answers for those who ask again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from numpy.typing import NDArray
from typing_extensions import Buffer

from meshd.core.commands import Dispatch
from meshd.core.ids import NodeId, RequestId
from meshd.core.plan import RAW
from meshd.core.request import Request
from meshd.daemon.kept_answers import KeptAnswers, Question, question_of
from meshd.errors import Overloaded
from meshd.executor.stage import Stage
from meshd.executor.tensor_rule import Extents
from meshd.wire.messages import Infer, Message, TensorHeader
from model_registry.manifest import Manifest

Array = NDArray[Any]
Tensors = Mapping[str, Array]
Send = Callable[[Message, Sequence[Buffer]], object]

MOST_LIVE_BYTES = 256 * 2**20
"""Tensors that all live requests together may hold: four of the largest, or thousands of what a sensor sends."""

MOST_BYTES_OF_ONE = MOST_LIVE_BYTES // 4
"""What one asker may hold of that with more than one request; the largest one is let in by itself."""


class Asker(Struct, frozen=True):
    """Somebody who waits for an answer: a client's or a peer's session."""

    key: object
    """Tells askers apart: the session of a client, the node id of a peer."""
    send: Send
    owner: str
    """Who answers for it: the user whose program it is, the node id of a peer."""


class Outputs(Struct, frozen=True):
    """Tensors of an answer, and how they go on the wire."""

    tensors: Tensors
    headers: tuple[TensorHeader, ...]
    parts: Sequence[memoryview]


NO_OUTPUTS = Outputs({}, (), ())


class Errand(Struct):
    """What was asked of a peer that has not answered yet."""

    command: Dispatch
    sent_bytes: int = 0
    """As encoded; 0 while it is being encoded."""
    codec_s: float = 0.0
    codec: str = RAW
    """As it was in the end: what has no form in a codec goes raw."""


class Entry(Struct):
    """One live request: its input, who asked, and what its attempts gave."""

    request: Request
    extents: Extents
    """How long each dynamic axis is, as far as the manifest is at hand."""
    headers: tuple[TensorHeader, ...]
    payload: memoryview
    """The input as it came; empty for a child, whose input is a view of its parent's."""
    inputs: Tensors
    askers: list[Asker]
    is_decoding: bool = False
    """Whether its input is still being decoded: until then the scheduler has not heard of it."""
    checked_by: Manifest | None = None
    """What the inputs were held against; none where no manifest was at hand, and for the rest of a plan."""
    outputs: dict[int, Outputs] = {}
    """Of attempts that gave an answer."""
    crossing: dict[int, Tensors] = {}
    """Of attempts that ran a head: what crosses behind it. A lost tail may need it again until the request ends."""
    stages: dict[int, Stage] = {}
    out_at: dict[NodeId, Errand] = {}
    codecs: list[str] = []
    """How tensors travelled from here to peers, in the order in which they were sent."""
    parent: Entry | None = None
    forked: tuple[RequestId, ...] = ()
    """Its children, in the order of their items."""
    children: dict[RequestId, Outputs] = {}
    """What those gave that have answered."""
    live_bytes: int = 0
    """Tensors held for this request, those of its parent not counted again."""

    @property
    def question(self) -> Question:
        """Return what is asked, without the input's bytes."""
        asked = self.request
        wishes = asked.privacy, asked.min_tier, asked.partial, asked.plan, asked.lossless
        return asked.model, self.headers, *wishes

    @property
    def codec(self) -> str:
        """Return how the input came."""
        return codec_of(self.headers)

    def join(self, asker: Asker) -> None:
        """Answer one more; who asks again while it waits is answered once all the same."""
        self.askers = [*(other for other in self.askers if other.key != asker.key), asker]

    def is_awaited_by(self, key: object) -> bool:
        """Tell whether this asker waits for it; nobody does for a child, which is its parent's alone."""
        return any(asker.key == key for asker in self.askers)

    def is_same(self, infer: Infer, payload: memoryview) -> bool:
        """Tell whether another asker asks for exactly this; nobody asks for a child but this node itself."""
        return self.parent is None and self.question == question_of(infer) and self.payload == payload

    def input_of(self, attempt: int | None) -> Tensors:
        """Return the tensors that an attempt left behind; the request's own input where that is none."""
        return self.inputs if attempt is None else self.crossing[attempt]


def codec_of(headers: Sequence[TensorHeader]) -> str:
    """Return how tensors really travel: values that a codec cannot hold go raw whatever was asked for."""
    for header in headers:
        if header.codec != RAW:
            return header.codec
    return RAW


class Ledger:
    """Live requests by id, and a bounded memory of answers."""

    def __init__(self, kept: KeptAnswers | None = None) -> None:
        self.live_bytes = 0
        """Tensors that the live requests hold."""
        self.kept = kept or KeptAnswers()
        self._live: dict[RequestId, Entry] = {}
        self._awaited: list[set[RequestId]] = []
        self._turned = asyncio.Event()

    def open(self, entry: Entry, held_bytes: int = 0) -> None:
        """Hold a request from its arrival to its outcome; its tensors take so many bytes that nobody else holds."""
        self._live[entry.request.request_id] = entry
        self._hold(entry, held_bytes)

    def hold_crossing(self, entry: Entry, attempt: int, tensors: Tensors) -> int:
        """Hold what crosses behind a head that has run, and return its bytes."""
        n_bytes = sum(array.nbytes for array in tensors.values())
        entry.crossing[attempt] = tensors
        self._hold(entry, n_bytes)
        return n_bytes

    def __getitem__(self, request_id: RequestId) -> Entry:
        """Return a request that is live: the scheduler commands nothing about others."""
        entry = self._live.get(request_id)
        assert entry is not None, "the scheduler commands only what is alive"
        return entry

    def get(self, request_id: str) -> Entry | None:
        """Return a live request."""
        return self._live.get(RequestId(request_id))

    def close(self, request_id: RequestId) -> Entry | None:
        """Let a request go and return what was held; none when it is not live."""
        entry = self._live.pop(request_id, None)
        if entry:
            self.live_bytes -= entry.live_bytes
            entry.crossing, entry.out_at = {}, {}
            for awaited in self._awaited:
                awaited.discard(request_id)
                self._turned.set()
        return entry

    async def turned_over(self) -> None:
        """Wait until every request that is alive now has ended."""
        awaited = set(self._live)
        self._awaited.append(awaited)
        try:
            while awaited:
                self._turned.clear()
                await self._turned.wait()
        finally:
            self._awaited.remove(awaited)

    def check_room(self, asker: Asker, n_bytes: int) -> None:
        """Let an asker hold so many bytes more.

        All askers of one owner together may hold as much as stays free: one owner half of the room, a second one a
        quarter then, and however many there are, who holds nothing yet finds some. They count also once they are gone.

        Raises:
            Overloaded: all hold too much together, or this one or its owner already holds its share.

        Source: the dynamic thresholds of Choudhury and Hahne for queues that share a memory, 1998, with alpha = 1.
        """
        if self.live_bytes + n_bytes > MOST_LIVE_BYTES:
            raise Overloaded(f"the requests alive here hold {self.live_bytes / 1e6:.0f} MB of tensors already.")
        if self.live_bytes + n_bytes <= MOST_BYTES_OF_ONE:
            return  # Nobody can hold more than all.
        own_bytes, owners_bytes = self._held_by(asker)
        if own_bytes and own_bytes + n_bytes > MOST_BYTES_OF_ONE:
            raise _share_is_held("this session's requests", own_bytes)
        free_bytes = MOST_LIVE_BYTES - self.live_bytes - n_bytes
        if owners_bytes and owners_bytes + n_bytes > free_bytes:
            raise _share_is_held("the requests of all programs of this user", owners_bytes)

    def asked_by(self, key: object) -> list[RequestId]:
        """Return the live requests that an asker waits for."""
        return [name for name, entry in self._live.items() if entry.is_awaited_by(key)]

    def _held_by(self, asker: Asker) -> tuple[int, int]:
        """Return the bytes that an asker holds, and that all of its owner do."""
        own_bytes = owners_bytes = 0
        for entry in self._live.values():
            if any(other.owner == asker.owner for other in entry.askers):
                owners_bytes += entry.live_bytes
                own_bytes += entry.live_bytes if entry.is_awaited_by(asker.key) else 0
        return own_bytes, owners_bytes

    def _hold(self, entry: Entry, n_bytes: int) -> None:
        """Count bytes against a request while it lives; a run may end after that."""
        if self._live.get(entry.request.request_id) is entry:
            entry.live_bytes += n_bytes
            self.live_bytes += n_bytes


def _share_is_held(by: str, n_bytes: int) -> Overloaded:
    told = f"{by} hold {n_bytes / 1e6:.0f} MB of tensors already."
    return Overloaded(told, hint="Wait for some of them to end, or cancel them.")
