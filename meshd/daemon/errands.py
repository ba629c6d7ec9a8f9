"""Sends requests, or the rest of their plans, to peers, encoded as the plan says; calls them back when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Protocol

from msgspec import Struct
from typing_extensions import Buffer

from meshd.core.commands import Dispatch, Recall
from meshd.core.events import Event, PeerRefused
from meshd.core.ids import NodeId
from meshd.core.plan import RAW
from meshd.daemon.ledger import Entry, Errand, Ledger, Tensors, codec_of
from meshd.daemon.models.catalogue import Catalogue, Place
from meshd.daemon.vitals import Vitals
from meshd.errors import ExecutionFailed, MeshError, Overloaded, PeerLost
from meshd.executor.executor import INLINE_BELOW_S
from meshd.wire.messages import LEAST_DEADLINE_S, Cancel, Heartbeat, Infer, Message, TensorHeader
from meshd.wire.tensors import encode_tensors
from model_registry import codec
from model_registry.encoding import Encoding


class Links(Protocol):
    """The sessions to peers; :class:`meshd.net.peering.Peering` is one."""

    def send(self, node_id: NodeId, message: Message, payload_parts: Sequence[Buffer] = ()) -> bool:
        """Send without waiting; False when there is no open session, or no credit left for a request."""
        ...

    def is_open(self, node_id: NodeId) -> bool:
        """Tell whether there is an open session: if :meth:`send` declines all the same, no credit is left."""
        ...

    def broadcast(self, message: Message) -> None:
        """Send to every peer in session."""
        ...

    def probe(self, node_id: NodeId, beat: Heartbeat, n_bytes: int) -> None:
        """Send a heartbeat with bytes behind it, to see how long its echo takes."""
        ...

    def drop(self, node_id: NodeId) -> None:
        """End the session with a peer that is silent, so that it is dialled anew."""
        ...


class Parcel(Struct, frozen=True):
    """Tensors ready for a link."""

    headers: tuple[TensorHeader, ...]
    parts: Sequence[memoryview]
    n_bytes: int
    """On the link."""
    codec_s: float = 0.0


class Errands:
    """What this node asks of its peers for its requests."""

    def __init__(
        self, ledger: Ledger, catalogue: Catalogue, links: Links, vitals: Vitals, feed: Callable[[Event], None]
    ) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._links = links
        self._vitals = vitals
        self._feed = feed

    def send(self, command: Dispatch) -> None:
        """Send a request, or the rest of its plan, to a peer."""
        entry = self._ledger[command.request_id]
        errand = entry.out_at[command.node_id] = Errand(command)
        if command.of is None and command.codec == entry.codec and entry.parent is None:
            self._hand_over(entry, errand, Parcel(entry.headers, (entry.payload,), len(entry.payload)))
            return
        try:
            self._pack(entry, errand, entry.input_of(command.of), self._encodings(entry, command))
        except MeshError as error:
            self._fail(command, _unsendable(error))

    def _pack(self, entry: Entry, errand: Errand, tensors: Tensors, encodings: Mapping[str, Encoding]) -> None:
        if _encoding_s(tensors, encodings) < INLINE_BELOW_S:
            self._hand_over(entry, errand, _packed(tensors, encodings))
        else:
            packing = asyncio.get_running_loop().run_in_executor(None, _packed, tensors, encodings)
            packing.add_done_callback(partial(self._packed, entry, errand))

    def call_back(self, command: Recall) -> None:
        """Tell a peer that its answer is not wanted any more."""
        self._ledger[command.request_id].out_at.pop(command.node_id, None)
        self._links.send(command.node_id, Cancel(request_id=command.request_id))

    def _encodings(self, entry: Entry, command: Dispatch) -> Mapping[str, Encoding]:
        if command.codec == RAW:
            return {}
        if command.partial is None:
            return self._catalogue.encodings_of_input(entry.request.model, command.codec)
        place = Place.before(command.partial, entry.request.model, command.start_tier)
        return self._catalogue.encodings_of_crossing(place, command.codec)

    def _packed(self, entry: Entry, errand: Errand, packing: asyncio.Future[Parcel]) -> None:
        if entry.out_at.get(errand.command.node_id) is not errand or packing.cancelled():
            return  # It was called back meanwhile.
        if fault := packing.exception():
            self._fail(errand.command, _unsendable(fault))
        else:
            self._hand_over(entry, errand, packing.result())

    def _hand_over(self, entry: Entry, errand: Errand, parcel: Parcel) -> None:
        command = errand.command
        errand.sent_bytes, errand.codec_s = parcel.n_bytes, parcel.codec_s
        try:
            is_sent = self._links.send(command.node_id, _message(entry, command, parcel), parcel.parts)
        except MeshError as error:
            self._fail(command, _unsendable(error))
            return
        if is_sent:
            errand.codec = codec_of(parcel.headers)
            entry.codecs.append(errand.codec)
            self._vitals.moved(errand.sent_bytes)
        else:
            self._fail(command, self._why_not_sent(command.node_id))

    def _why_not_sent(self, node_id: NodeId) -> MeshError:
        if self._links.is_open(node_id):
            return Overloaded("it has not yet done with what it was sent before")
        return PeerLost("there is no open session to it")

    def _fail(self, command: Dispatch, why: MeshError) -> None:
        self._ledger[command.request_id].out_at.pop(command.node_id, None)
        self._feed(
            PeerRefused(
                request_id=command.request_id,
                attempt=command.attempt,
                node_id=command.node_id,
                code=why.code,
                message=why.message,
                telemetry=None,
            )
        )


def _unsendable(fault: BaseException) -> ExecutionFailed:
    """Return why something goes to no peer; here it may be run all the same."""
    return ExecutionFailed(f"it could not be sent: {fault}")


def _message(entry: Entry, command: Dispatch, parcel: Parcel) -> Infer:
    request = entry.request
    return Infer(
        request_id=request.request_id,
        model=request.model,
        tensors=parcel.headers,
        deadline_s=max(command.deadline_s - parcel.codec_s, LEAST_DEADLINE_S),
        priority=request.priority,
        privacy=request.privacy,
        min_tier=request.min_tier,
        start_tier=command.start_tier,
        via=command.via,
        may_climb=command.may_climb,
        partial=command.partial,
        lossless=request.lossless,
    )


def _encoding_s(tensors: Tensors, encodings: Mapping[str, Encoding]) -> float:
    goes = [(encoding.codec, tensors[name]) for name, encoding in encodings.items() if name in tensors]
    return sum(codec.seconds(how, tensor.nbytes, tensor.shape) for how, tensor in goes)


def _packed(tensors: Tensors, encodings: Mapping[str, Encoding]) -> Parcel:
    started = perf_counter()
    headers, parts = encode_tensors(tensors, encodings)
    return Parcel(headers, parts, sum(map(len, parts)), perf_counter() - started)
