"""The metadata of every frame. The frame's header names the kind, so the structs carry no tag.

Bounds stand in the types: a message that decodes is a message that is small enough to keep. Tensor bytes are
not here; they follow the metadata in the frame, in the order of ``tensors``, without gaps.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from meshd.core.answer import Answer
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.node import DeviceClass, NodeProfile, Telemetry
from meshd.core.plan import RAW, Partial
from meshd.core.request import Priority, Privacy
from model_registry import encoding
from model_registry.pieces import MOST_PIECES

PROTOCOL_VERSION = 1
MAX_NAME_LENGTH = 128
MAX_KEY_LENGTH = 64
MAX_TEXT_LENGTH = 2048
MAX_TENSORS = 64
MAX_RANK = 8
MAX_DEADLINE_S = 86_400.0
LEAST_DEADLINE_S = 1e-3
"""Of a request whose time has run out on its way: what is told of it is told by the scheduler."""
MAX_PLAN_LENGTH = 1024
MAX_HOPS = 8
"""Nodes that a request may have been at: twice the tiers there are."""
MAX_PADDING_BYTES = 2**16
"""Behind a heartbeat: what it takes to tell of a link's rate, and little enough to need no credit."""
MAX_OFFERS = 64
MAX_ARTIFACTS = 512
"""Both together fill a frame's metadata by four fifths at most; a node with more names those it used last."""
EVERY_MODEL = ModelName("*")
"""In an Order to verify: whatever this node has."""
MAX_PIECES = MOST_PIECES
"""As many as an artifact has at most; how many of them a lender sends at a time is for it to decide."""

Fingerprint = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
ShortName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
"""A Name of a message that comes with every request: :mod:`meshd.wire.words` looks at all of its words at once."""
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_LENGTH)]
RequestKey = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_LENGTH + 16)]
"""A client's is a Key; the parts of a request travel under its id with a number behind it."""
Text = Annotated[str, Meta(max_length=MAX_TEXT_LENGTH)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Version = Annotated[str, Meta(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}\Z")]
Dimension = Annotated[int, Meta(ge=0, le=2**31)]
Seconds = Annotated[float, Meta(gt=0.0, le=MAX_DEADLINE_S)]
DType = Literal[
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]


Codec = Literal["raw", encoding.Codec]


class TensorHeader(Struct, frozen=True, kw_only=True):
    """Name, element type and shape of one tensor; elements are little-endian, C order."""

    name: ShortName
    dtype: DType
    shape: Annotated[tuple[Dimension, ...], Meta(max_length=MAX_RANK)]
    codec: Codec = RAW
    encoded_bytes: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    """Length in the payload, where the codec is not ``raw``."""


Tensors = Annotated[tuple[TensorHeader, ...], Meta(max_length=MAX_TENSORS)]


class Hello(Struct, frozen=True, kw_only=True):
    """First frame in both directions: who speaks. On a peer port the certificate must agree with it."""

    role: Literal["peer", "client"]
    name: Name
    node_id: Fingerprint | None = None
    device_class: DeviceClass | None = None
    incarnation: Annotated[int, Meta(ge=0, le=2**62)] = 0
    token: Annotated[str, Meta(max_length=128)] | None = None
    """Clients on the TCP endpoint prove with it that they can read the daemon's state directory."""


class Capability(Struct, frozen=True, kw_only=True):
    """The full capability document; sent after Hello and whenever it changes."""

    profile: NodeProfile
    telemetry: Telemetry


class Heartbeat(Struct, frozen=True, kw_only=True):
    """Life sign with fresh telemetry. An echo answers at once and is not echoed; it measures the link.

    Its payload is padding, MAX_PADDING_BYTES at most, by which the link is measured; nobody reads it.
    """

    sequence: Annotated[int, Meta(ge=0, le=2**62)]
    telemetry: Telemetry
    echo: bool = False


class Infer(Struct, frozen=True, kw_only=True):
    """A request, from a client or delegated by a peer; the input tensors follow."""

    request_id: RequestKey
    model: ShortName
    tensors: Tensors
    deadline_s: Seconds
    priority: Priority = Priority.NORMAL
    privacy: Privacy = Privacy.HOUSEHOLD
    min_tier: DeviceClass | None = None
    start_tier: DeviceClass | None = None
    via: Annotated[tuple[Annotated[str, Meta(min_length=64, max_length=64)], ...], Meta(max_length=MAX_HOPS)] = ()
    """Fingerprints of the nodes it has been at."""
    may_climb: bool = True
    """False: only the tier that it starts with may answer, also where it asks for a larger one. For peers only."""
    partial: Partial | None = None
    """The rest of a plan: the tensors are those that cross before its first stage. For peers only."""
    plan: Annotated[str, Meta(max_length=MAX_PLAN_LENGTH)] = ""
    """The one plan that a client wants, as ``meshd plan`` writes it. For clients only."""
    lossless: bool = False
    """Nothing of it may travel in a codec that loses anything."""


class Result(Struct, frozen=True, kw_only=True):
    """The answer to an Infer; the output tensors follow. Telemetry lets the asker know the present."""

    request_id: RequestKey
    answer: Answer
    tensors: Tensors
    telemetry: Telemetry | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """A question that ends without an answer: code of :mod:`meshd.errors` and a sentence."""

    request_id: RequestKey
    code: Name
    message: Text
    telemetry: Telemetry | None = None


class Cancel(Struct, frozen=True, kw_only=True):
    """The asker no longer wants the answer; nothing is sent back."""

    request_id: RequestKey


class Credit(Struct, frozen=True, kw_only=True):
    """How much more the other side may send in Infer messages, in total since the session opened.

    A total instead of an increment: it is never counted twice, and a later one replaces an earlier one.
    """

    payload_bytes: Annotated[int, Meta(ge=0, le=2**62)]


class Goodbye(Struct, frozen=True, kw_only=True):
    """Last frame before a side closes on purpose, with a code that says why (``left``, ``superseded``)."""

    code: Name
    message: Text = ""


class Query(Struct, frozen=True, kw_only=True):
    """A client reads a document: ``status``, ``peers``, ``models``, ``explain``."""

    request_id: Key
    subject: Name
    arguments: Annotated[dict[str, str], Meta(max_length=16)] = {}


class Document(Struct, frozen=True, kw_only=True):
    """The answer to a Query, an Install or an Order: a JSON document as the payload, so that it may be large."""

    request_id: Key


class Offer(Struct, frozen=True, kw_only=True):
    """A model that a node can pass on, in a few words."""

    model: Name
    version: Version
    publisher: Fingerprint
    """Key of the one who signed the manifest."""
    manifest: Digest
    """SHA-256 of its text, by which it is fetched."""


class Inventory(Struct, frozen=True, kw_only=True):
    """What a node lends to its peers; sent after Capability and whenever it changes."""

    offers: Annotated[tuple[Offer, ...], Meta(max_length=MAX_OFFERS)] = ()
    artifacts: Annotated[tuple[Digest, ...], Meta(max_length=MAX_ARTIFACTS)] = ()
    """Held here whole and sound, those of models that ship with meshd included."""


class Fetch(Struct, frozen=True, kw_only=True):
    """Asks for content by its hash: a manifest's text, an artifact's piece map, or a run of its pieces."""

    request_id: Key
    subject: Literal["manifest", "piece_map", "pieces"]
    sha256: Digest
    first: Annotated[int, Meta(ge=0, lt=MAX_PIECES)] = 0
    count: Annotated[int, Meta(ge=1, le=MAX_PIECES)] = 1
    """Pieces [first, first + count)."""


class Fetched(Struct, frozen=True, kw_only=True):
    """The answer to a Fetch; what was asked for is the payload, and whoever asked holds it against its hash."""

    request_id: Key


class Install(Struct, frozen=True, kw_only=True):
    """A client brings a model. Its manifest is the payload; the daemon fetches the rest from that client's session."""

    request_id: Key


class Order(Struct, frozen=True, kw_only=True):
    """A client has something done about a model: ``remove``, ``pin``, ``unpin``, ``fetch``, ``verify``.

    ``reset`` is of what requests have taught the policy, whatever model is named.
    """

    request_id: Key
    action: Name
    model: Name


Message = (
    Hello
    | Capability
    | Heartbeat
    | Infer
    | Result
    | Refusal
    | Cancel
    | Goodbye
    | Query
    | Document
    | Inventory
    | Fetch
    | Fetched
    | Install
    | Order
    | Credit
)

KINDS: dict[int, type[Any]] = {
    1: Hello,
    2: Capability,
    3: Heartbeat,
    4: Infer,
    5: Result,
    6: Refusal,
    7: Cancel,
    8: Goodbye,
    9: Query,
    10: Document,
    11: Inventory,
    12: Fetch,
    13: Fetched,
    14: Install,
    15: Order,
    16: Credit,
}

__all__ = [
    "KINDS",
    "LEAST_DEADLINE_S",
    "MAX_ARTIFACTS",
    "MAX_DEADLINE_S",
    "MAX_HOPS",
    "MAX_KEY_LENGTH",
    "MAX_NAME_LENGTH",
    "MAX_OFFERS",
    "MAX_PIECES",
    "MAX_PLAN_LENGTH",
    "MAX_RANK",
    "MAX_TENSORS",
    "MAX_TEXT_LENGTH",
    "PROTOCOL_VERSION",
    "Cancel",
    "Capability",
    "Codec",
    "Credit",
    "DType",
    "Document",
    "Fetch",
    "Fetched",
    "Goodbye",
    "Heartbeat",
    "Hello",
    "Infer",
    "Install",
    "Inventory",
    "Message",
    "ModelName",
    "NodeId",
    "Offer",
    "Order",
    "Query",
    "Refusal",
    "RequestId",
    "Result",
    "TensorHeader",
]
