"""The way in for requests, the same for clients and peers: check, join or open, and tell the scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from functools import partial
from time import perf_counter

import numpy as np
from msgspec.structs import replace

from meshd.core.events import Event, RequestArrived, RequestCancelled
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.plan import RAW
from meshd.core.request import Request
from meshd.daemon.ledger import Array, Asker, Entry, Ledger, Tensors
from meshd.daemon.models.catalogue import Catalogue, Place
from meshd.errors import DuplicateRequest, InvalidInput, MeshError, Overloaded, ProtocolError
from meshd.executor.executor import INLINE_BELOW_S
from meshd.executor.input_contract import BATCH
from meshd.executor.tensor_rule import Extents
from meshd.wire.messages import LEAST_DEADLINE_S, MAX_HOPS, MAX_KEY_LENGTH, Infer, Refusal, TensorHeader
from meshd.wire.tensors import decode_tensors, decoded_bytes
from model_registry import codec

MAX_SENTENCE_LENGTH = 2000
"""Sentences longer than this are cut: a refusal must fit into a frame whatever a client put into a name."""


MOST_DECODING_S = 1.0
"""Of what is decoded beside the loop at a time for one owner, by what codecs take on this machine."""


class Intake:
    """Turns Infer messages into requests. Whatever is wrong with one is told to its asker and to nobody else."""

    def __init__(self, ledger: Ledger, catalogue: Catalogue, feed: Callable[[Event], None]) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._feed = feed
        self._decoding_s: dict[str, float] = {}
        """What decoding beside the loop will take that is under way, by whose it is."""

    def take(self, asker: Asker, infer: Infer, payload: memoryview, *, via: tuple[NodeId, ...] = ()) -> None:
        """Accept a request, or answer it with a refusal that says why."""
        try:
            self._join_or_open(asker, infer, payload, via)
        except MeshError as error:
            asker.send(refusal_of(infer.request_id, error), ())

    def withdraw(self, key: object, request_id: str) -> None:
        """Forget that an asker waits; a request that nobody waits for is cancelled. Others cannot end it."""
        entry = self._ledger.get(request_id)
        if entry is None or not entry.is_awaited_by(key):
            return
        entry.askers = [asker for asker in entry.askers if asker.key != key]
        if not entry.askers and entry.is_decoding:  # The scheduler has not heard of it.
            self._ledger.close(entry.request.request_id)
        elif not entry.askers:
            self._feed(RequestCancelled(request_id=entry.request.request_id))

    def withdraw_all(self, key: object) -> None:
        """Forget all that an asker waits for."""
        for request_id in self._ledger.asked_by(key):
            self.withdraw(key, request_id)

    def withdraw_later(self, key: object, delay_s: float) -> None:
        """Do so after a while, if there is anything."""
        if self._ledger.asked_by(key):
            asyncio.get_running_loop().call_later(delay_s, self.withdraw_all, key)

    def _join_or_open(self, asker: Asker, infer: Infer, payload: memoryview, via: tuple[NodeId, ...]) -> None:
        if entry := self._ledger.get(infer.request_id):
            if not entry.is_same(infer, payload):
                raise _already_used(infer)
            entry.join(asker)
        elif kept := self._ledger.kept.get(infer.request_id):
            if not kept.is_same(infer, payload):
                raise _already_used(infer)
            asker.send(kept.message, kept.parts)
        else:
            self._open(asker, infer, payload, via)

    def _open(self, asker: Asker, infer: Infer, payload: memoryview, via: tuple[NodeId, ...]) -> None:
        _check_asker(infer, via)
        encoded = [header for header in infer.tensors if header.codec != RAW]
        outlines = _outlines(infer) if encoded else {}
        extents = self._extents_of_encoded(infer, encoded, outlines) if encoded else {}
        held_bytes = len(payload) + (decoded_bytes(encoded) if encoded else 0)
        self._ledger.check_room(asker, held_bytes)
        if encoded and (decoding_s := _decoding_s(encoded, outlines)) > INLINE_BELOW_S:
            self._check_decoding(asker, decoding_s)
            entry = self._entry(asker, infer, payload, via, outlines, extents=extents)
            self._decode_beside(entry, infer, held_bytes, (asker.owner, decoding_s))
            return
        inputs = _decoded(infer, payload)
        entry = self._entry(asker, infer, payload, via, inputs, extents=self._extents(infer, inputs))
        self._ledger.open(entry, held_bytes)
        self._feed(RequestArrived(request=entry.request))

    def _extents_of_encoded(self, infer: Infer, encoded: list[TensorHeader], outlines: Tensors) -> Extents:
        """Refuse by their outlines, before anything is decoded, tensors that will not be what is wanted."""
        extents = self._extents(infer, outlines)
        self._check_listed(infer, encoded)
        return extents

    def _check_decoding(self, asker: Asker, decoding_s: float) -> None:
        """Refuse what would keep the threads of all at work for one: one tensor that takes long is always decoded."""
        under_way_s = self._decoding_s.get(asker.owner, 0.0)
        if under_way_s and under_way_s + decoding_s > MOST_DECODING_S:
            told = f"decoding what came from there takes {under_way_s:.1f} s already."
            raise Overloaded(told, hint="Wait for some of it, or send it in codecs that are faster.")

    def _entry(
        self,
        asker: Asker,
        infer: Infer,
        payload: memoryview,
        via: tuple[NodeId, ...],
        inputs: Tensors,
        *,
        extents: Extents,
    ) -> Entry:
        request = _request_of(infer, inputs, extents, via, link_bytes=len(payload))
        entry = Entry(request, extents, infer.tensors, payload, inputs, [asker])
        if infer.partial is None:
            entry.checked_by = self._catalogue.manifest(entry.request.model)
        return entry

    def _decode_beside(self, entry: Entry, infer: Infer, held_bytes: int, work: tuple[str, float]) -> None:
        """Decode in a thread what would keep the loop; the request is held, joined and withdrawn as any other.

        ``work`` is whose it is, and how long it will take.
        """
        entry.is_decoding = True
        self._ledger.open(entry, held_bytes)
        decoding = asyncio.get_running_loop().run_in_executor(None, _decoded, infer, entry.payload)
        owner, decoding_s = work
        self._decoding_s[owner] = self._decoding_s.get(owner, 0.0) + decoding_s
        decoding.add_done_callback(lambda _decoding: self._release(owner, decoding_s))
        decoding.add_done_callback(partial(self._arrived, entry, infer, perf_counter()))

    def _release(self, owner: str, decoding_s: float) -> None:
        left_s = self._decoding_s.pop(owner) - decoding_s
        if left_s > 1e-9:  # What is left of sums of parts.
            self._decoding_s[owner] = left_s

    def _arrived(self, entry: Entry, infer: Infer, since_s: float, decoding: asyncio.Future[Tensors]) -> None:
        request_id = entry.request.request_id
        if decoding.cancelled() or self._ledger.get(request_id) is not entry:
            return  # It was withdrawn meanwhile.
        try:
            entry.inputs = decoding.result()
            self._extents(infer, entry.inputs)
        except MeshError as error:
            self._turn_away(entry, error)
            return
        except Exception as fault:  # noqa: BLE001 - whoever asked waits, whatever a decoder has met.
            self._turn_away(entry, InvalidInput(f"its tensors could not be decoded: {fault!r}."))
            return
        entry.is_decoding = False
        left_s = max(infer.deadline_s - (perf_counter() - since_s), LEAST_DEADLINE_S)
        entry.request = replace(entry.request, deadline_s=left_s)
        self._feed(RequestArrived(request=entry.request))

    def _turn_away(self, entry: Entry, error: MeshError) -> None:
        request_id = entry.request.request_id
        self._ledger.close(request_id)
        for asker in entry.askers:
            asker.send(refusal_of(request_id, error), ())

    def _check_listed(self, infer: Infer, encoded: list[TensorHeader]) -> None:
        """Refuse a codec that the manifest does not list for a tensor, or that no manifest at hand can list."""
        for header in encoded:
            if header.name not in self._listed(infer, header.codec):
                raise InvalidInput(
                    f"tensor {header.name!r} came as {header.codec}, which no manifest here lists for it.",
                    hint="Send it raw.",
                )

    def _listed(self, infer: Infer, codec_name: str) -> Collection[str]:
        """Return the tensors that bear a codec."""
        model = ModelName(infer.model)
        if infer.partial is None or infer.start_tier is None:
            return self._catalogue.encodings_of_input(model, codec_name)
        return self._catalogue.encodings_of_crossing(Place.before(infer.partial, model, infer.start_tier), codec_name)

    def _extents(self, infer: Infer, inputs: Tensors) -> Extents:
        """Hold the tensors against the manifest: those of an input, or those that cross before the rest of a plan."""
        model = ModelName(infer.model)
        if infer.partial is None:
            return self._catalogue.checked(model, inputs)
        if infer.start_tier is None:
            raise InvalidInput("the rest of a plan came without its tier.")
        return self._catalogue.checked_crossing(Place.before(infer.partial, model, infer.start_tier), inputs)


def _request_of(
    infer: Infer, inputs: Tensors, extents: Extents, via: tuple[NodeId, ...], *, link_bytes: int
) -> Request:
    return Request(
        request_id=RequestId(infer.request_id),
        model=ModelName(infer.model),
        input_bytes=sum(array.nbytes for array in inputs.values()),
        deadline_s=infer.deadline_s,
        batch=extents.get(BATCH, 1),
        priority=infer.priority,
        privacy=infer.privacy,
        min_tier=infer.min_tier,
        start_tier=infer.start_tier,
        via=via,
        may_climb=infer.may_climb,
        partial=infer.partial,
        plan=infer.plan,
        lossless=infer.lossless,
        link_bytes=link_bytes if via else 0,
    )


def _decoded(infer: Infer, payload: memoryview) -> Tensors:
    try:
        return decode_tensors(infer.tensors, payload)
    except ProtocolError as error:
        raise InvalidInput(error.message, hint=error.hint) from error


def _decoding_s(encoded: Iterable[TensorHeader], outlines: Tensors) -> float:
    """Return the seconds that decoding will take: by what it gives, or by what it has to read where that is more."""
    return sum(
        codec.seconds(header.codec, max(outlines[header.name].nbytes, header.encoded_bytes or 0), header.shape)
        for header in encoded
        if header.codec != RAW
    )


def _outlines(infer: Infer) -> Tensors:
    return {header.name: _outline(header) for header in infer.tensors}


def _outline(header: TensorHeader) -> Array:
    """Return zeros of a tensor's type and shape that take no memory."""
    try:
        return np.broadcast_to(np.zeros((), header.dtype), header.shape)
    except ValueError as error:  # A shape that numpy cannot count.
        raise InvalidInput(f"tensor {header.name!r} of shape {header.shape}: {error}.") from error


def _check_asker(infer: Infer, via: tuple[NodeId, ...]) -> None:
    """Hold against each other what an asker says and who may say it."""
    if not via and (infer.start_tier is not None or infer.partial is not None or not infer.may_climb):
        raise InvalidInput(
            "start_tier, may_climb and partial are for peers.", hint="Ask for a stronger tier with min_tier."
        )
    if not via and len(infer.request_id) > MAX_KEY_LENGTH:
        raise InvalidInput(
            f"a request id has {MAX_KEY_LENGTH} characters at most, and this one {len(infer.request_id)}."
        )
    if via and infer.plan:
        raise InvalidInput("a plan by its name is for clients; a peer sends the rest of its plan.")
    if len(via) >= MAX_HOPS:
        raise InvalidInput(f"the request has been at {len(via)} nodes already.")


def refusal_of(request_id: str, error: MeshError) -> Refusal:
    """Return the message that tells an asker about an error."""
    return Refusal(request_id=request_id, code=error.code, message=str(error)[:MAX_SENTENCE_LENGTH])


def _already_used(infer: Infer) -> DuplicateRequest:
    return DuplicateRequest(
        f"request id {infer.request_id!r} was used for another question.", hint="Choose a new id per request."
    )
