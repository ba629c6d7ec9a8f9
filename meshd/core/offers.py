"""Offers that were weighed a moment ago, taken up again while nothing that they rest on has changed.

What is offered to one request is offered to the next one that asks the same of the same mesh: weighing it again would
find the same candidates at the same prices. So an offer stands for requests that differ in their id and in their
deadline alone, as long as all of this holds:

- it is a first decision; nothing has been tried for the request, and it is nobody's part;
- nothing runs or waits here, and nothing of ours is out at a peer, neither then nor now; no peer had said to be busy;
- no rule can come out differently: no node came, went or fell silent, none said anything new of itself (battery, warm
  models, queue), and what is hosted is the same;
- no measured figure has moved further than is worth noticing (noticed.py), unless rules alone leave one way, which is
  then taken whatever was measured; nor has a second passed;
- the deadline, then and now, is so far that it plays no part.

The policy is asked once for an offer if it says that it would always answer the same, otherwise for each request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import astuple

from meshd.core.candidate import NOT_PRICED, Candidate, Mask, Observation
from meshd.core.life import Life
from meshd.core.mesh_view import MeshView
from meshd.core.offer import Offer
from meshd.core.request import Request

_MOST_OFFERS = 64
"""Kept at once: one for each kind of request that is asked over and over."""

_STANDS_S = 1.0
"""Rates drift back to what they were believed to be by a third of a percent in this time."""

_FAR = 5.0
_SURE = 10.0
_LEAST_S = 1e-3
"""A deadline plays no part that is so many times the predicted seconds away, so many standard deviations beyond them,
and this: a figure that drifts unnoticed makes neither so much longer nor so much less sure that it would."""

_EXACT_OF_STAGES = frozenset({Mask.TOO_WEAK, Mask.BATTERY})
_EXACT = _EXACT_OF_STAGES | {Mask.PRIVACY, Mask.NOT_ALIVE, Mask.VISITED, Mask.DELEGATED}
"""Rules that depend on no measured figure; those above forbid stages together with the whole."""

_ID, _DEADLINE = map(Request.__struct_fields__.index, ("request_id", "deadline_s"))

Question = tuple[Any, ...]
"""All of a request but its id and its deadline."""


class Offers:
    """The standing offers of one node."""

    def __init__(self, view: MeshView) -> None:
        self._view = view
        self._offers: dict[Question, Offer] = {}

    def standing(self, question: Question, remaining_s: float, now: float) -> Offer | None:
        """Return the offer to take up again; none where it has to be weighed."""
        self._view.weigh_doubts(now)
        offer = self._offers.get(question)
        if offer is None or remaining_s < offer.least_s or now - offer.weighed_s > _STANDS_S:
            return None
        versions = self._view.versions(now)
        if offer.versions == versions or (offer.is_only_way and offer.versions[1:] == versions[1:]):
            return offer
        return None

    def keep(self, question: Question, observation: Observation, now: float) -> Offer | None:
        """Let an offer stand that was weighed now, if it may."""
        candidates = observation.candidates
        least_s = _least_s(candidates)
        if observation.remaining_s < least_s or self._view.is_any_busy(candidates, now):
            return None
        if len(self._offers) >= _MOST_OFFERS:
            self._offers.clear()
        offer = Offer(
            candidates=candidates,
            weighed_s=now,
            versions=self._view.versions(now),
            least_s=least_s,
            is_only_way=_is_only_way(candidates),
        )
        self._offers[question] = offer
        return offer


def question_of(life: Life) -> Question | None:
    """Return what a request asks; none unless this is the first decision about it, and all of it is to be decided."""
    if life.choice is not None or life.parent is not None or life.request.partial is not None:
        return None
    told = astuple(life.request)
    return told[_ID + 1 : _DEADLINE] + told[_DEADLINE + 1 :]


def _is_only_way(candidates: Iterable[Candidate]) -> bool:
    """Tell whether all but one are forbidden by rules that ask for no figure, and nothing here may be split.

    A split that is not worth it need not even be listed, and may be worth it soon.
    """
    n_left = 0
    for candidate in candidates:
        mask = candidate.reason.mask if candidate.reason is not None else None
        if mask is None:
            n_left += 1
        elif mask not in _EXACT:
            return False
        if candidate.here and candidate.tier.stages and mask not in _EXACT_OF_STAGES:
            return False
    return n_left == 1


def _least_s(candidates: Iterable[Candidate]) -> float:
    """Return how far away a deadline has to be to play no part for any candidate."""
    least_s = 0.0
    for candidate in candidates:
        expected = candidate.prediction
        if expected is not NOT_PRICED:
            least_s = max(least_s, _FAR * expected.total_s + _SURE * expected.deviation_s)
    return least_s + _LEAST_S
