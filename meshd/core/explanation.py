"""Why requests went where they went: kept for the last few hundred, told by ``meshd explain``."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from meshd.core.answer import Outcome
from meshd.core.candidate import Observation
from meshd.core.ids import RequestId
from meshd.core.request import Request

_MOST_CANDIDATES = 16_384
"""Candidates kept over all stories, about 8 MB: in a mesh of a thousand nodes each decision has a thousand."""


class Wait(Struct, kw_only=True, gc=False):
    """That a request waits for a cheaper moment, or has waited."""

    since_s: float
    at_most_s: float
    waited_s: float | None = None
    """None while it waits."""
    ended_by: str = ""
    """What ended it, for a person."""

    def end(self, ended_by: str, now: float) -> None:
        """Wait no longer."""
        self.waited_s, self.ended_by = now - self.since_s, ended_by


class Choice(Struct, kw_only=True, gc=False):
    """One decision: what was on offer, what was chosen and by whom, and what came of it."""

    observation: Observation
    index: int | None = None
    policy: str = ""
    note: str = ""
    wait: Wait | None = None
    """In place of an index, where the policy had it wait."""
    together: int = 1
    """Requests in the one run that served it here."""


class Explanation(Struct, kw_only=True):
    """The whole story of one request."""

    request: Request
    choices: list[Choice] = []
    outcome: Outcome | None = None
    children: tuple[Explanation, ...] = ()
    """Stories of the parts of a fork."""
    n_candidates: int = 0
    """How many candidates it tells of, its children included."""
    whole: Explanation | None = None
    """The story that it is a part of."""


class Explanations:
    """A bounded memory of stories; the oldest is forgotten first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._stories: OrderedDict[RequestId, Explanation] = OrderedDict()
        self._n_candidates = 0

    def begin(self, request: Request) -> Explanation:
        """Open the story of a request."""
        story = Explanation(request=request)
        if outdated := self._stories.pop(request.request_id, None):
            self._n_candidates -= outdated.n_candidates
        self._stories[request.request_id] = story
        self._forget_oldest()
        return story

    def branch(self, parent: Explanation, request: Request) -> Explanation:
        """Open the story of a child below its parent's; it takes no place of its own."""
        story = Explanation(request=request, whole=parent)
        parent.children += (story,)
        return story

    def add(self, story: Explanation, choice: Choice) -> None:
        """Continue a story."""
        story.choices.append(choice)
        n_candidates = len(choice.observation.candidates)
        whole = story.whole or story
        whole.n_candidates += n_candidates
        if self._stories.get(whole.request.request_id) is whole:
            self._n_candidates += n_candidates
            if self._n_candidates > _MOST_CANDIDATES:
                self._forget_oldest()

    def get(self, request_id: RequestId) -> Explanation | None:
        """Return a story, finished or not; none when it is forgotten or never was."""
        return self._stories.get(request_id)

    def latest(self) -> Explanation | None:
        """Return the story that began last."""
        return next(reversed(self._stories.values()), None)

    def _forget_oldest(self) -> None:
        while len(self._stories) > self._capacity or (self._n_candidates > _MOST_CANDIDATES and len(self._stories) > 1):
            _, oldest = self._stories.popitem(last=False)
            self._n_candidates -= oldest.n_candidates
