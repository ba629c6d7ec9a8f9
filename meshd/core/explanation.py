"""Why requests went where they went: kept for the last few hundred, told by ``meshd explain``."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from meshd.core.answer import Outcome
from meshd.core.candidate import Observation
from meshd.core.ids import RequestId
from meshd.core.request import Request


class Choice(Struct, kw_only=True):
    """One decision: what was on offer, what was chosen and by whom, and what came of it."""

    observation: Observation
    index: int | None = None
    policy: str = ""
    note: str = ""


class Explanation(Struct, kw_only=True):
    """The whole story of one request."""

    request: Request
    choices: list[Choice] = []
    outcome: Outcome | None = None


class Explanations:
    """A bounded memory of stories; the oldest is forgotten first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._stories: OrderedDict[RequestId, Explanation] = OrderedDict()

    def begin(self, request: Request) -> Explanation:
        """Open the story of a request."""
        story = Explanation(request=request)
        self._stories.pop(request.request_id, None)
        self._stories[request.request_id] = story
        while len(self._stories) > self._capacity:
            self._stories.popitem(last=False)
        return story

    def get(self, request_id: RequestId) -> Explanation | None:
        """Return a story, finished or not; none when it is forgotten or never was."""
        return self._stories.get(request_id)

    def latest(self) -> Explanation | None:
        """Return the story that began last."""
        return next(reversed(self._stories.values()), None)
