"""Opens the children of a request: shares of its batch, or two that race for an emergency."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from meshd.core.books import Books
from meshd.core.candidate import NOT_PRICED, Candidate, Mask, Observation, Reason
from meshd.core.commands import Fork as ForkCommand
from meshd.core.fork import Fork
from meshd.core.ids import NodeId, RequestId
from meshd.core.itinerary import Itinerary
from meshd.core.life import Attempt, Life, Step
from meshd.core.node import HostedTier
from meshd.core.patience import wait_for_all_s
from meshd.core.plan import Share
from meshd.core.request import Priority, Request

_FORKED_BEFORE = Reason(mask=Mask.SHUNNED, sentence="it has run in parts before, and that is done once at most")
_IS_A_PART = Reason(mask=Mask.DELEGATED, sentence="only where it was asked for is a request run in parts")
_NO_ROOM = Reason(mask=Mask.QUEUE_FULL, sentence="there is no room for the parts beside the requests that are alive")

Begun = list[tuple[Life, Candidate | None]]
"""Children with what each is to begin with; none: it has to choose."""


class Forks:
    """Makes lives that are parts of another. A request is forked once at most, and only where it was first asked.

    Every child counts as a request that is alive: a fork that finds no room for all of them does not happen, so that
    none of them is refused half way.
    """

    def __init__(self, books: Books) -> None:
        self._view = books.view
        self._settings = books.settings
        self._lives = books.lives
        self._explanations = books.explanations
        self._commands = books.commands

    def may_fork(self, life: Life, n_children: int) -> bool:
        """Tell whether a request may have that many children, and there is room for them now."""
        return self.why_not_fork(life, n_children) is None

    def why_not_fork(self, life: Life, n_children: int) -> Reason | None:
        """Return why a request may not have that many children now; none if it may."""
        if life.fork is not None:
            return _FORKED_BEFORE
        if life.parent is not None or life.request.delegated:
            return _IS_A_PART
        is_room = len(self._lives) + n_children <= self._settings.max_requests
        is_free = not any(name in self._lives for name in _names(life.request, n_children))
        return None if is_room and is_free else _NO_ROOM

    def rival(self, life: Life, chosen: Candidate) -> Candidate | None:
        """Return who may race against the chosen candidate for an emergency: as accurate, whole, on another node."""
        if life.request.priority is not Priority.EMERGENCY or not self._settings.hedge_emergencies:
            return None
        if chosen.legs or not self.may_fork(life, 2):
            return None
        assert life.choice is not None, "a choosing request has a choice"
        return soonest_rival(life.choice.observation, chosen)

    def hedge(self, life: Life, chosen: Candidate, rival: Candidate, now: float) -> Begun:
        """Open two children that race."""
        until_s = now + wait_for_all_s(self._settings, life, (chosen, rival))
        children = self._open(life, chosen, (life.request, life.request), (), until_s=until_s, now=now)
        for child in children:
            child.has_one_try = True
        return list(zip(children, (chosen, rival), strict=True))

    def share(self, life: Life, candidate: Candidate, now: float) -> Begun:
        """Open a child for each share of the batch."""
        shares = candidate.shares
        items = tuple(share.items for share in shares)
        parts = [_part_of(life.request, share.items) for share in shares]
        children = self._open(life, candidate, parts, items, until_s=life.deadline_s, now=now)
        for child in children:
            child.only_tier = candidate.tier.tier
        begun = (self._candidate_of(share, candidate) for share in shares)
        return list(zip(children, begun, strict=True))

    def _open(
        self,
        life: Life,
        candidate: Candidate,
        parts: Sequence[Request],
        items: tuple[int, ...],
        *,
        until_s: float,
        now: float,
    ) -> list[Life]:
        request_id, number = life.request.request_id, life.decision
        names = _names(life.request, len(parts))
        life.fork = Fork(attempt=number, children=names, items=items)
        life.attempt = Attempt(number=number, candidate=candidate, since_s=now, until_s=until_s)
        life.look_s = until_s
        life.advance(Step.FORK)
        self._commands.append(ForkCommand(request_id=request_id, attempt=number, children=names, items=items))
        return [
            self._child(life, replace(part, request_id=child), now) for child, part in zip(names, parts, strict=True)
        ]

    def _child(self, parent: Life, part: Request, now: float) -> Life:
        """Return a child that has been let in with its parent, and has the time that is left to it."""
        request = replace(part, deadline_s=parent.remaining_s(now), plan="")
        child = Life(
            request=request,
            arrived_s=now,
            itinerary=Itinerary(),
            story=self._explanations.branch(parent.story, request),
            parent=parent.request.request_id,
            choice=parent.choice,
        )
        child.advance(Step.ADMIT)
        self._lives[request.request_id] = child
        return child

    def _candidate_of(self, share: Share, candidate: Candidate) -> Candidate | None:
        """Return how to begin a share: its items whole on its node; none if that node runs the tier no more."""
        hosted = self._hosted_at(share.node_id, candidate.tier)
        if hosted is None:
            return None
        here = share.node_id == self._view.own.profile.node_id
        there_s, cost = share.seconds - share.transfer_s, candidate.prediction.cost
        predicted = replace(NOT_PRICED, compute_s=there_s, transfer_s=share.transfer_s, cost=cost)
        return Candidate(
            node_id=share.node_id, node=share.node, here=here, tier=hosted, prediction=predicted, codec=share.codec
        )

    def _hosted_at(self, node_id: NodeId, tier: HostedTier) -> HostedTier | None:
        if node_id != self._view.own.profile.node_id and not self._view.membership.is_usable(node_id):
            return None
        hosts = self._view.hosting.of(tier.model).all
        alike = (hosted for node, hosted in hosts if node.profile.node_id == node_id and hosted.tier is tier.tier)
        return max(alike, key=lambda hosted: hosted.artifact == tier.artifact, default=None)


def soonest_rival(observation: Observation, chosen: Candidate) -> Candidate | None:
    """Return the soonest of those that may race against the chosen candidate."""
    rivals = (candidate for candidate in observation.candidates if _can_race(candidate, chosen))
    return min(rivals, key=lambda candidate: candidate.prediction.total_s, default=None)


def _names(request: Request, n_children: int) -> tuple[RequestId, ...]:
    return tuple(RequestId(f"{request.request_id}/{position}") for position in range(n_children))


def _can_race(candidate: Candidate, chosen: Candidate) -> bool:
    is_whole = not candidate.legs and not candidate.shares
    is_as_good = candidate.tier.tier is chosen.tier.tier and candidate.tier.accuracy == chosen.tier.accuracy
    return candidate.allowed and is_whole and is_as_good and candidate.node_id != chosen.node_id


def _part_of(request: Request, items: int) -> Request:
    """Return a share of a request; should the answers ask for a larger tier, the request as a whole does."""
    input_bytes = request.input_bytes * items // request.batch
    return replace(request, batch=items, input_bytes=input_bytes, may_climb=False)
