"""Requests of a side that does not read its answers: they wait until it has, so that what is unread stays small."""

from __future__ import annotations

from collections import OrderedDict, deque
from time import monotonic

from msgspec.structs import replace

from meshd.wire.messages import LEAST_DEADLINE_S, Infer


class Postponed:
    """Holds them in the order in which they came. Their credit is out meanwhile, which bounds what they take."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[str, deque[tuple[Infer, memoryview, float]]] = OrderedDict()
        """By request id, the first come first, each with the time when it came; those of one id come together."""

    def add(self, infer: Infer, payload: memoryview) -> None:
        """Let a request wait."""
        self.waiting.setdefault(infer.request_id, deque()).append((infer, payload, monotonic()))

    def forget(self, request_id: str) -> None:
        """Drop what was cancelled."""
        self.waiting.pop(request_id, None)

    def clear(self) -> None:
        """Drop all of them: whoever asked is gone."""
        self.waiting.clear()

    def take(self) -> tuple[Infer, memoryview]:
        """Return the first with what is left of its deadline; it waits no longer."""
        request_id, of_one_id = next(iter(self.waiting.items()))
        infer, payload, since_s = of_one_id.popleft()
        if not of_one_id:
            del self.waiting[request_id]
        left_s = max(infer.deadline_s - (monotonic() - since_s), LEAST_DEADLINE_S)
        return replace(infer, deadline_s=left_s), payload
