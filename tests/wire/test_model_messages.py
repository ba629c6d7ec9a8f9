"""What peers say about models: small enough to keep, hashes that are hashes, and content only where it belongs."""

from typing import Any

import msgspec
import pytest

from meshd.errors import ProtocolError
from meshd.wire.frame import HEADER, MAGIC, MAX_METADATA_BYTES, Frame, FrameReader, decode, encode
from meshd.wire.messages import (
    KINDS,
    MAX_ARTIFACTS,
    MAX_OFFERS,
    MAX_PIECES,
    PROTOCOL_VERSION,
    Fetch,
    Fetched,
    Install,
    Inventory,
    Message,
    Offer,
    Order,
)

HASH = "ab" * 32
OFFER = Offer(model="x" * 64, version="999999999.999999999.999999999", publisher=HASH, manifest=HASH)
KIND_OF = {form: kind for kind, form in KINDS.items()}


def decoded(form: type[Any], **fields: Any) -> Message:
    return decode(Frame(KIND_OF[form], msgspec.msgpack.encode(fields), memoryview(b"")))


@pytest.mark.parametrize(
    "message",
    [
        Inventory(offers=(OFFER,), artifacts=(HASH,)),
        Fetch(request_id="r", subject="pieces", sha256=HASH, first=MAX_PIECES - 1, count=MAX_PIECES),
        Fetched(request_id="r"),
        Install(request_id="r"),
        Order(request_id="r", action="pin", model="ecg-anomaly"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_decodes_to_itself(message: Message) -> None:
    (buffer,) = encode(message)
    metadata = bytes(memoryview(buffer))[HEADER.size :]
    assert decode(Frame(KIND_OF[type(message)], metadata, memoryview(b""))) == message


def test_the_largest_inventory_of_ours_fits_into_a_frame() -> None:
    (buffer,) = encode(Inventory(offers=(OFFER,) * MAX_OFFERS, artifacts=(HASH,) * MAX_ARTIFACTS))
    assert len(bytes(memoryview(buffer))) < 0.85 * MAX_METADATA_BYTES


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (Inventory, {"artifacts": [HASH] * (MAX_ARTIFACTS + 1)}),
        (Inventory, {"artifacts": ["../../etc/passwd"]}),
        (Inventory, {"artifacts": [HASH + "\n"]}),
        (Inventory, {"offers": [msgspec.to_builtins(OFFER)] * (MAX_OFFERS + 1)}),
        (Inventory, {"offers": [msgspec.to_builtins(OFFER) | {"version": "1.0"}]}),
        (Inventory, {"offers": [msgspec.to_builtins(OFFER) | {"version": "1.0.\u0661"}]}),
        (Inventory, {"offers": [msgspec.to_builtins(OFFER) | {"publisher": "me"}]}),
        (Fetch, {"request_id": "r", "subject": "secrets", "sha256": HASH}),
        (Fetch, {"request_id": "r", "subject": "pieces", "sha256": "a" * 63}),
        (Fetch, {"request_id": "r" * 65, "subject": "pieces", "sha256": HASH}),
        (Fetch, {"request_id": "r", "subject": "pieces", "sha256": HASH, "first": -1}),
        (Fetch, {"request_id": "r", "subject": "pieces", "sha256": HASH, "first": MAX_PIECES}),
        (Fetch, {"request_id": "r", "subject": "pieces", "sha256": HASH, "count": 0}),
        (Fetch, {"request_id": "r", "subject": "pieces", "sha256": HASH, "count": MAX_PIECES + 1}),
        (Fetched, {"request_id": ""}),
        (Install, {}),
        (Order, {"request_id": "r", "action": "pin", "model": "a\nb"}),
    ],
)
def test_what_is_out_of_bounds_is_a_protocol_error(form: type[Any], fields: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        decoded(form, **fields)


@pytest.mark.parametrize("form", [Fetched, Install])
def test_content_travels_as_payload(form: type[Any]) -> None:
    frame = Frame(KIND_OF[form], msgspec.msgpack.encode({"request_id": "r"}), memoryview(b"content"))
    assert decode(frame) == form(request_id="r")


@pytest.mark.parametrize("form", [Inventory, Fetch, Order])
def test_a_question_carries_no_payload(form: type[Any]) -> None:
    reader, header = FrameReader(), HEADER.pack(MAGIC, PROTOCOL_VERSION, KIND_OF[form], 1, 1)
    reader.get_buffer()[: len(header)] = header
    with pytest.raises(ProtocolError, match="and 0 may come"):
        reader.received(len(header))
