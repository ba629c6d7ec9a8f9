"""What a client says and how it understands the replies: shared by the blocking and the asyncio client. No IO."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Struct
from numpy.typing import NDArray
from typing_extensions import Buffer

from meshd.client.endpoint import Endpoint
from meshd.client.result import Result
from meshd.core.ids import RequestId
from meshd.core.node import DeviceClass
from meshd.core.request import Priority, Privacy
from meshd.documents import ExplainDocument, ModelsDocument, PeersDocument, StatusDocument
from meshd.errors import DaemonUnreachable, DeadlineExceeded, InvalidInput, LinkError, MeshError, from_code
from meshd.wire.messages import Document, Hello, Infer, Message, Query, Refusal
from meshd.wire.messages import Result as ResultMessage
from meshd.wire.tensors import decode_tensors, encode_tensors

Inputs = Mapping[str, NDArray[Any]]
D = TypeVar("D", StatusDocument, PeersDocument, ModelsDocument, ExplainDocument)
W = TypeVar("W", Priority, Privacy, DeviceClass)

DEFAULT_DEADLINE_S = 10.0
GRACE_S = 1.0
"""How much longer than the deadline a client waits: the daemon itself ends every request by its deadline, so a client
that waits in vain has lost its daemon."""


class Options(Struct, frozen=True, kw_only=True):
    """How one inference is asked for."""

    deadline_s: float = DEFAULT_DEADLINE_S
    priority: Priority = Priority.NORMAL
    privacy: Privacy = Privacy.HOUSEHOLD
    min_tier: DeviceClass | None = None


def checked_options(
    deadline_s: float, priority: Priority | str, privacy: Privacy | str, min_tier: DeviceClass | str | None
) -> Options:
    """Return the options as their types.

    Raises:
        DeadlineExceeded: the deadline is already past.
        InvalidInput: a word is none of those that are possible.
    """
    if not 0.0 < deadline_s < float("inf"):
        raise DeadlineExceeded(f"the deadline is already past ({deadline_s} s).", hint="Give seconds above zero.")
    return Options(
        deadline_s=deadline_s,
        priority=_word(priority, Priority),
        privacy=_word(privacy, Privacy),
        min_tier=None if min_tier is None else _word(min_tier, DeviceClass),
    )


def new_request_id() -> RequestId:
    """Return an id that no other client chooses."""
    return RequestId(uuid4().hex)


def hello(name: str, endpoint: Endpoint) -> Hello:
    """Return what a client says first."""
    return Hello(role="client", name=name or f"pid {os.getpid()}", token=endpoint.token)


def infer_message(
    request_id: RequestId, model: str, inputs: Inputs, options: Options
) -> tuple[Infer, list[memoryview]]:
    """Return the message and its payload parts.

    Raises:
        InvalidInput: an array cannot be sent.
    """
    headers, parts = encode_tensors(inputs)
    message = Infer(
        request_id=request_id,
        model=model,
        tensors=headers,
        deadline_s=options.deadline_s,
        priority=options.priority,
        privacy=options.privacy,
        min_tier=options.min_tier,
    )
    return message, parts


def query_message(subject: str, arguments: dict[str, str]) -> Query:
    """Return the message that asks for a document."""
    return Query(request_id=new_request_id(), subject=subject, arguments=arguments)


def understand(message: Message, payload: Buffer) -> tuple[str, Result | memoryview | MeshError] | None:
    """Return which request a message ends and how; none when it ends none."""
    match message:
        case ResultMessage():
            outputs = decode_tensors(message.tensors, memoryview(payload))
            result = Result(request_id=RequestId(message.request_id), outputs=outputs, answer=message.answer)
            return message.request_id, result
        case Document():
            return message.request_id, memoryview(payload)
        case Refusal():
            return message.request_id, from_code(message.code, message.message)
        case _:
            return None


def read_document(content: memoryview, form: type[D]) -> D:
    """Return a document that the daemon sent as JSON."""
    return msgspec.json.decode(content, type=form)


def unreachable(endpoint: Endpoint, reason: object) -> DaemonUnreachable:
    """Return the error of a daemon that is not there."""
    return DaemonUnreachable(
        f"no daemon answers at {endpoint}: {reason}.",
        hint="Start one with `meshd run`, or name another with --endpoint or $MESHD_ENDPOINT.",
    )


def overdue(request_id: str, options: Options) -> DeadlineExceeded:
    """Return the error of a daemon that is there and stays silent."""
    return DeadlineExceeded(f"the daemon gave no answer to {request_id} within {options.deadline_s:g} s.")


def is_lost_link(error: MeshError) -> bool:
    """Tell whether asking again, under the same id, on a new connection may help."""
    return isinstance(error, LinkError) and error.retryable


def _word(value: str, words: type[W]) -> W:
    try:
        return words(value)
    except ValueError:
        possible = ", ".join(word.value for word in words)
        raise InvalidInput(f"{value!r} is no {words.__name__.lower()}; possible are {possible}.") from None
