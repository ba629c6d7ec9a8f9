"""Frames in any pieces come out whole; anything else is a ProtocolError and costs nothing."""

import contextlib
import itertools
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshd.core.probing import STEPS_BYTES
from meshd.errors import InvalidInput, ProtocolError
from meshd.wire.frame import (
    HEADER,
    LARGE_PAYLOAD_BYTES,
    MAGIC,
    MAX_METADATA_BYTES,
    Frame,
    FrameReader,
    decode,
    encode,
)
from meshd.wire.messages import (
    KINDS,
    MAX_PADDING_BYTES,
    PROTOCOL_VERSION,
    Cancel,
    Document,
    Fetched,
    Goodbye,
    Hello,
    Infer,
    Install,
    Message,
    Result,
    TensorHeader,
)

HEARTBEAT, INFER, CANCEL, DOCUMENT = 3, 4, 7, 10
BULKY = sorted(kind for kind, message in KINDS.items() if message in (Infer, Result, Document, Fetched, Install))
"""What has a payload of any size."""


def raw_frame(kind: int, metadata: bytes, payload: bytes) -> bytes:
    return HEADER.pack(MAGIC, PROTOCOL_VERSION, kind, len(metadata), len(payload)) + metadata + payload


def feed(reader: FrameReader, stream: bytes) -> list[Frame]:
    """Write a stream into the reader as a socket would: as much as the buffer takes, again and again."""
    frames = []
    rest = memoryview(stream)
    while rest:
        buffer = reader.get_buffer()
        n_bytes = min(len(buffer), len(rest))
        assert n_bytes > 0
        buffer[:n_bytes] = rest[:n_bytes]
        frames += reader.received(n_bytes)
        rest = rest[n_bytes:]
    return frames


def feed_in_pieces(reader: FrameReader, stream: bytes, cuts: list[int]) -> list[Frame]:
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(bounds)]
    return [frame for piece in pieces for frame in feed(reader, piece)]


PAYLOADS = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            LARGE_PAYLOAD_BYTES - 1,
            LARGE_PAYLOAD_BYTES,
            LARGE_PAYLOAD_BYTES + 1,
            3 * LARGE_PAYLOAD_BYTES,
            200_000,
        ]
    ).map(lambda n: bytes(range(256)) * (n // 256) + b"x" * (n % 256)),
)
METADATA = st.one_of(st.binary(max_size=300), st.just(b"m" * MAX_METADATA_BYTES))
FRAMES = st.one_of(
    st.tuples(st.sampled_from(BULKY), METADATA, PAYLOADS),
    st.tuples(st.sampled_from(sorted(KINDS)), METADATA, st.just(b"")),
)


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(min_value=0), max_size=12))
def test_frames_cut_anywhere_come_out_the_same(sent: list[tuple[int, bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(raw_frame(*frame) for frame in sent)
    received = feed_in_pieces(FrameReader(), stream, cuts)
    assert [(frame.kind, frame.metadata, bytes(frame.payload)) for frame in received] == sent


@given(st.lists(FRAMES, min_size=1, max_size=3))
def test_frames_arriving_byte_by_byte_come_out_the_same(sent: list[tuple[int, bytes, bytes]]) -> None:
    small = [(kind, metadata[:300], payload[:300]) for kind, metadata, payload in sent]
    stream = b"".join(raw_frame(*frame) for frame in small)
    received = feed_in_pieces(FrameReader(), stream, list(range(len(stream))))
    assert [(frame.kind, frame.metadata, bytes(frame.payload)) for frame in received] == small


@given(
    st.one_of(st.binary(max_size=400), st.binary(max_size=400).map(lambda rest: MAGIC + b"\x01" + rest)),
    st.lists(st.integers(min_value=0), max_size=8),
)
def test_arbitrary_bytes_are_frames_or_a_protocol_error(stream: bytes, cuts: list[int]) -> None:
    reader = FrameReader(max_payload_bytes=1000)
    try:
        for frame in feed_in_pieces(reader, stream, cuts):
            decode(frame)
    except ProtocolError:
        pass


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=300))
def test_arbitrary_metadata_is_a_message_or_a_protocol_error(kind: int, metadata: bytes) -> None:
    try:
        message = decode(Frame(kind, metadata, memoryview(b"")))
    except ProtocolError:
        return
    assert type(message) is KINDS[kind]


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(KINDS)), JSON_LIKE)
def test_well_formed_messagepack_of_any_shape_is_a_message_or_a_protocol_error(kind: int, value: object) -> None:
    with contextlib.suppress(ProtocolError):
        decode(Frame(kind, msgspec.msgpack.encode(value), memoryview(b"")))


def test_deeply_nested_metadata_is_a_protocol_error() -> None:
    nested = b"\x81\xa4name" + b"\x91" * 60_000 + b"\xc0"
    with pytest.raises(ProtocolError):
        decode(Frame(1, nested, memoryview(b"")))


def test_deadlines_that_are_no_number_of_seconds_are_refused() -> None:
    for deadline_s in (float("nan"), float("inf"), 0.0, -1.0):
        infer = Infer(request_id="r", model="m", tensors=(), deadline_s=deadline_s)
        (buffer,) = encode(infer)
        (frame,) = feed(FrameReader(), bytes(buffer))
        with pytest.raises(ProtocolError, match="deadline_s"):
            decode(frame)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (HEADER.pack(b"GET ", PROTOCOL_VERSION, CANCEL, 0, 0), "no meshd peer"),
        (HEADER.pack(MAGIC, PROTOCOL_VERSION + 1, CANCEL, 0, 0), "speaks protocol 2"),
        (HEADER.pack(MAGIC, PROTOCOL_VERSION, 99, 0, 0), "unknown kind of frame: 99"),
        (HEADER.pack(MAGIC, PROTOCOL_VERSION, INFER, 0, 1001), "1,001 bytes is announced and 1,000 may come"),
    ],
)
def test_a_header_that_is_not_ours_is_refused_before_its_body(header: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        feed(FrameReader(max_payload_bytes=1000), header)


def test_hostile_lengths_allocate_nothing() -> None:
    reader = FrameReader(max_payload_bytes=2**20)
    header = HEADER.pack(MAGIC, PROTOCOL_VERSION, INFER, MAX_METADATA_BYTES, 2**32 - 1)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            feed(reader, header)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10_000


def test_a_reader_with_the_limit_at_zero_takes_messages_without_payload_only() -> None:
    reader = FrameReader(max_payload_bytes=0)
    assert len(feed(reader, raw_frame(CANCEL, b"x", b""))) == 1
    with pytest.raises(ProtocolError):
        feed(reader, raw_frame(INFER, b"x", b"y"))


def test_a_large_payload_is_received_into_memory_of_its_own() -> None:
    reader = FrameReader()
    payload = bytes(range(256)) * 400
    stream = raw_frame(INFER, b"meta", payload)
    head = HEADER.size + 4
    assert feed(reader, stream[: head + 100]) == []
    assert len(reader.get_buffer()) == len(payload) - 100
    (frame,) = feed(reader, stream[head + 100 :])
    assert (frame.metadata, bytes(frame.payload), frame.payload.readonly) == (b"meta", payload, True)


def test_a_frame_stays_what_it_was_when_the_buffer_is_used_again() -> None:
    reader = FrameReader()
    (first,) = feed(reader, raw_frame(DOCUMENT, b"one", b"1" * 100))
    feed(reader, raw_frame(DOCUMENT, b"two", b"2" * 100))
    assert (first.metadata, bytes(first.payload)) == (b"one", b"1" * 100)


MESSAGES: list[Message] = [
    Hello(role="peer", name="hub", node_id="a" * 64, incarnation=2**62),
    Cancel(request_id="r"),
    Goodbye(code="left"),
    Infer(
        request_id="r",
        model="m",
        tensors=(TensorHeader(name="x", dtype="float32", shape=(2,)),),
        deadline_s=1.0,
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_decodes_to_itself(message: Message) -> None:
    (frame,) = feed(FrameReader(), b"".join(bytes(memoryview(part)) for part in encode(message)))
    assert decode(frame) == message


def test_a_payload_is_passed_on_uncopied_and_empty_parts_are_dropped() -> None:
    tensor = memoryview(bytearray(b"12345678")).cast("f")
    buffers = encode(Document(request_id="q"), [tensor, b"", memoryview(b"").cast("B")])
    assert len(buffers) == 2
    assert memoryview(buffers[1]).obj is tensor.obj
    assert memoryview(buffers[1]).nbytes == 8


def test_a_payload_on_a_message_that_has_none_is_refused_by_its_header() -> None:
    header = HEADER.pack(MAGIC, PROTOCOL_VERSION, CANCEL, 0, 2**20)
    with pytest.raises(ProtocolError, match="Cancel: a payload of 1,048,576 bytes is announced and 0 may come"):
        feed(FrameReader(), header)


def test_the_padding_of_a_heartbeat_may_be_as_large_as_links_are_measured_with_and_no_larger() -> None:
    padded = raw_frame(HEARTBEAT, b"beat", bytes(MAX_PADDING_BYTES))
    assert [len(frame.payload) for frame in feed(FrameReader(), padded)] == [max(STEPS_BYTES)] == [MAX_PADDING_BYTES]
    with pytest.raises(ProtocolError, match="65,537 bytes is announced and 65,536 may come"):
        feed(FrameReader(), HEADER.pack(MAGIC, PROTOCOL_VERSION, HEARTBEAT, 0, MAX_PADDING_BYTES + 1))


def test_metadata_longer_than_the_header_can_say_is_refused_by_the_sender() -> None:
    with pytest.raises(InvalidInput, match="bytes of metadata"):
        encode(Goodbye(code="left", message="x" * (MAX_METADATA_BYTES + 1)))
