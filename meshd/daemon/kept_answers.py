"""The last answers, for a client that lost its connection before it read its own and asks again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from meshd.core.ids import RequestId
from meshd.core.node import DeviceClass
from meshd.core.plan import Partial
from meshd.core.request import Privacy
from meshd.wire.messages import Infer, Message, TensorHeader

Question = tuple[str, tuple[TensorHeader, ...], Privacy, DeviceClass | None, Partial | None, str, bool]
"""What must be the same for two askers to share an answer, beside the input's bytes."""


_LARGE_BYTES = 2**20
"""Up to here an input is held as it is: hashing 600 KB takes 300 us on every request, for one that is asked again."""


class KeptAnswer(Struct, frozen=True):
    """An answer that was given."""

    question: Question
    payload: memoryview | bytes
    """The input; of one too large to be held its SHA-256."""
    message: Message
    parts: Sequence[memoryview]
    n_bytes: int

    def is_same(self, infer: Infer, payload: memoryview) -> bool:
        """Tell whether another asker asks for exactly this."""
        return self.question == question_of(infer) and self.payload == _held(payload)


class KeptAnswers:
    """A bounded memory: the oldest go when there are too many or they take too much room with their inputs."""

    def __init__(self, *, most: int = 64, most_bytes: int = 2 * 2**20) -> None:
        self._answers: OrderedDict[RequestId, KeptAnswer] = OrderedDict()
        self._n_bytes = 0
        self._most = most
        self._most_bytes = most_bytes

    def add(
        self,
        request_id: RequestId,
        question: Question,
        payload: memoryview,
        message: Message,
        parts: Sequence[memoryview],
    ) -> None:
        """Remember an answer."""
        held = _held(payload)
        n_bytes = len(held) + sum(map(len, parts))
        if n_bytes > self._most_bytes:
            return
        self._answers[request_id] = KeptAnswer(question, held, message, parts, n_bytes)
        self._n_bytes += n_bytes
        while len(self._answers) > self._most or self._n_bytes > self._most_bytes:
            _, oldest = self._answers.popitem(last=False)
            self._n_bytes -= oldest.n_bytes

    def get(self, request_id: str) -> KeptAnswer | None:
        """Return the answer that was given under an id, while it is remembered."""
        return self._answers.get(RequestId(request_id))


def _held(payload: memoryview) -> memoryview | bytes:
    return payload if len(payload) <= _LARGE_BYTES else sha256(payload).digest()


def question_of(infer: Infer) -> Question:
    """Return what a message asks, without the input's bytes."""
    return infer.model, infer.tensors, infer.privacy, infer.min_tier, infer.partial, infer.plan, infer.lossless
