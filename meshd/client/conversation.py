"""What a client says and how it understands the replies: shared by the blocking and the asyncio client. No IO."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from math import isnan
from secrets import token_hex
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs
from numpy.typing import NDArray
from typing_extensions import Buffer

from meshd.client.endpoint import Endpoint
from meshd.client.result import Result
from meshd.core.ids import RequestId
from meshd.core.node import DeviceClass
from meshd.core.request import Priority, Privacy
from meshd.documents import (
    Done,
    ManifestDocument,
    ModelsDocument,
    PeersDocument,
    StatusDocument,
    Taken,
    VerifyDocument,
)
from meshd.errors import (
    DaemonUnreachable,
    DeadlineExceeded,
    InvalidInput,
    LinkError,
    NoCandidate,
    PeerLost,
    RequestError,
    from_code,
)
from meshd.explain_document import ExplainDocument
from meshd.plan_document import PlanDocument
from meshd.wire.frame import MAX_PAYLOAD_BYTES
from meshd.wire.messages import (
    MAX_DEADLINE_S,
    MAX_KEY_LENGTH,
    MAX_NAME_LENGTH,
    MAX_PLAN_LENGTH,
    Document,
    Goodbye,
    Hello,
    Infer,
    Install,
    Message,
    Order,
    Query,
    Refusal,
)
from meshd.wire.messages import Result as ResultMessage
from meshd.wire.tensors import decode_tensors, encode_tensors

Inputs = Mapping[str, NDArray[Any]]
_WORDS = {Priority: "priority", Privacy: "privacy", DeviceClass: "device class"}
D = TypeVar(
    "D",
    StatusDocument,
    PeersDocument,
    ModelsDocument,
    ManifestDocument,
    PlanDocument,
    ExplainDocument,
    Taken,
    Done,
    VerifyDocument,
)
Question = Infer | Query | Install | Order
"""What a client waits for an answer to."""
Q = TypeVar("Q", bound=Question)
W = TypeVar("W", Priority, Privacy, DeviceClass)

DEFAULT_DEADLINE_S = 10.0
GRACE_S = 1.0
"""How much longer than the deadline a client waits: the daemon itself ends every request by its deadline, so a client
that waits in vain has lost its daemon."""


_BEHIND_A_PART = re.compile(r"( \d+-\d+| x\d+) *, *")
"""Where one part of a place ends and the next one begins, however it is spelled; names may hold commas."""
_WHEN_LATE = "Give it more time; `meshd explain` shows where the time went."
_PUNCTUAL_S = 0.001
"""A wait that a deadline is not shortened for."""

ORDER_PATIENCE_S = 3_600.0
"""How long taking in a model may take: gigabytes over a slow link, and a trial of each variant."""


class Options(Struct, frozen=True, kw_only=True):
    """How one inference is asked for."""

    deadline_s: float = DEFAULT_DEADLINE_S
    priority: Priority = Priority.NORMAL
    privacy: Privacy = Privacy.HOUSEHOLD
    min_tier: DeviceClass | None = None
    plan: str = ""
    """The place of the one plan that is wanted; empty: whichever is best."""
    lossless: bool = False
    """Whether nothing may travel in a codec that loses anything."""


def checked_options(
    deadline_s: float,
    priority: Priority | str,
    privacy: Privacy | str,
    min_tier: DeviceClass | str | None,
    plan: str = "",
    *,
    lossless: bool = False,
) -> Options:
    """Return the options as their types.

    Raises:
        DeadlineExceeded: the deadline is already past.
        InvalidInput: a word is none of those that are possible, or the deadline lies beyond any use.
    """
    if not deadline_s <= MAX_DEADLINE_S:  # also true for NaN.
        why = "no time" if isnan(deadline_s) else "too far away"
        raise InvalidInput(f"a deadline of {deadline_s} s is {why}; {MAX_DEADLINE_S:g} s at most.")
    if not isinstance(plan, str):
        raise InvalidInput(f"a plan is a place as a string, and this is {plan!r}.", hint="`meshd plan` lists places.")
    if len(plan) > MAX_PLAN_LENGTH:
        raise InvalidInput(f"a plan's name has {MAX_PLAN_LENGTH} characters at most, and this one {len(plan)}.")
    if deadline_s <= 0.0:
        raise DeadlineExceeded(f"the deadline is already past ({deadline_s} s).", hint="Give seconds above zero.")
    return Options(
        deadline_s=deadline_s,
        priority=priority if type(priority) is Priority else _word(priority, Priority),
        privacy=privacy if type(privacy) is Privacy else _word(privacy, Privacy),
        min_tier=min_tier if min_tier is None or type(min_tier) is DeviceClass else _word(min_tier, DeviceClass),
        plan=_BEHIND_A_PART.sub(r"\1, ", plan) if plan else plan,
        lossless=lossless,
    )


def new_request_id() -> RequestId:
    """Return an id that no other client chooses."""
    return RequestId(token_hex(16))


def hello(name: str, endpoint: Endpoint) -> Hello:
    """Return what a client says first."""
    return Hello(role="client", name=name or f"pid {os.getpid()}", token=endpoint.token)


def infer_message(
    request_id: RequestId, model: str, inputs: Inputs, options: Options
) -> tuple[Infer, list[memoryview]]:
    """Return the message and its payload parts.

    Raises:
        InvalidInput: an array cannot be sent, there are too many bytes of them, or a name is too long.
    """
    if not (0 < len(request_id) <= MAX_KEY_LENGTH and 0 < len(model) <= MAX_NAME_LENGTH):
        _check_length("request id", request_id, MAX_KEY_LENGTH)
        _check_length("model's name", model, MAX_NAME_LENGTH)
    if type(inputs) is not dict and not isinstance(inputs, Mapping):
        told = f"inputs are arrays by their names, and this is a {type(inputs).__name__}."
        raise InvalidInput(told, hint="Write {'ecg': window}, with the names that `meshd models show` lists.")
    headers, parts = encode_tensors(inputs)
    if (n_bytes := sum(map(len, parts))) > MAX_PAYLOAD_BYTES:
        raise InvalidInput(
            f"the inputs take {n_bytes:,} bytes, and a message has room for {MAX_PAYLOAD_BYTES:,}.",
            hint="Ask for fewer items at a time.",
        )
    message = Infer(
        request_id=request_id,
        model=model,
        tensors=headers,
        deadline_s=options.deadline_s,
        priority=options.priority,
        privacy=options.privacy,
        min_tier=options.min_tier,
        plan=options.plan,
        lossless=options.lossless,
    )
    return message, parts


def hurried(message: Q, left_s: float) -> Q:
    """Return a message that is sent later than it was made: what it has waited is gone from its deadline."""
    if not isinstance(message, Infer) or message.deadline_s <= left_s + _PUNCTUAL_S:
        return message
    return structs.replace(message, deadline_s=max(left_s, _PUNCTUAL_S))


def query_message(subject: str, arguments: dict[str, str]) -> Query:
    """Return the message that asks for a document."""
    return Query(request_id=new_request_id(), subject=subject, arguments=arguments)


def install_message() -> Install:
    """Return the message that announces a model; its manifest goes with it."""
    return Install(request_id=new_request_id())


def order_message(action: str, model: str) -> Order:
    """Return the message that has something done about a model.

    Raises:
        InvalidInput: the name is too long.
    """
    _check_length("model's name", model, MAX_NAME_LENGTH)
    return Order(request_id=new_request_id(), action=action, model=model)


def understand(message: Message, payload: Buffer) -> tuple[str, Result | memoryview | RequestError] | None:
    """Return which request a message ends and how; none when it ends none."""
    match message:
        case ResultMessage():
            outputs = decode_tensors(message.tensors, memoryview(payload))
            result = Result(request_id=RequestId(message.request_id), outputs=outputs, answer=message.answer)
            return message.request_id, result
        case Document():
            return message.request_id, memoryview(payload)
        case Refusal():
            return message.request_id, _reason_of(message)
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


def said_goodbye(goodbye: Goodbye) -> LinkError:
    """Return why the daemon ended the connection."""
    error = from_code(goodbye.code, goodbye.message or "the daemon said goodbye.")
    return error if isinstance(error, LinkError) else PeerLost(str(error))


def _reason_of(refusal: Refusal) -> RequestError:
    """Return why there is no answer. That a peer was lost is such a reason; the daemon itself is there."""
    error = from_code(refusal.code, refusal.message)
    if isinstance(error, DeadlineExceeded):
        return DeadlineExceeded(f"{error.message.rstrip('.')}.", hint=_WHEN_LATE)
    if isinstance(error, LinkError):
        return NoCandidate(error.message)
    return error if isinstance(error, RequestError) else RequestError(str(error))


def _check_length(what: str, text: str, longest: int) -> None:
    if not 1 <= len(text) <= longest:
        raise InvalidInput(f"a {what} has 1 to {longest} characters, and this one {len(text)}.")


def _word(value: str, words: type[W]) -> W:
    if isinstance(value, words):
        return value
    try:
        return words(value)
    except ValueError:
        possible = ", ".join(word.value for word in words)
        raise InvalidInput(f"{value!r} is no {_WORDS[words]}; possible are {possible}.") from None
