"""Children of a request: shares of a batch, which all have to answer, or two that race, and the first good one wins."""

from __future__ import annotations

from msgspec import Struct

from meshd import errors
from meshd.core.answer import Answer, Failure, Outcome
from meshd.core.ids import RequestId


class Verdict(Struct, frozen=True, kw_only=True):
    """What the children have come to: the answers that count."""

    answers: tuple[Answer, ...]
    """In the order of the children."""
    child: RequestId | None = None
    """The one child that has answered for all; none: the outputs of all are joined."""


class Fork(Struct, kw_only=True):
    """The children of one request and how they ended so far."""

    attempt: int
    """Number of the parent's attempt."""
    children: tuple[RequestId, ...]
    items: tuple[int, ...] = ()
    """How much of the batch each child has; empty where each has the whole input."""
    answers: dict[RequestId, Answer] = {}
    failures: dict[RequestId, Failure] = {}
    wasted_joules: float = 0.0
    """Spent for children whose answers do not count."""

    @property
    def is_hedge(self) -> bool:
        """Tell whether one good answer is enough."""
        return not self.items

    def ended(self, child: RequestId, outcome: Outcome) -> None:
        """Take in how a child ended."""
        if isinstance(outcome, Answer):
            self.answers[child] = outcome
        else:
            self.failures[child] = outcome

    def verdict(self) -> Verdict | Failure | None:
        """Return what the children have come to; none while that is open."""
        return self._race() if self.is_hedge else self._sum()

    def _race(self) -> Verdict | Failure | None:
        """Return the first good answer; one that asks for a larger tier only if nobody has anything better to say."""
        good = [child for child, answer in self.answers.items() if not answer.degraded]
        if good:
            return Verdict(answers=(self.answers[good[0]],), child=good[0])
        if len(self.answers) + len(self.failures) < len(self.children):
            return None
        if not self.answers:
            return self._last_failure()
        best = max(self.answers, key=lambda child: self.answers[child].tier.rank)
        return Verdict(answers=(self.answers[best],), child=best)

    def _sum(self) -> Verdict | Failure | None:
        if self.failures:
            return self._last_failure()
        if len(self.answers) < len(self.children):
            return None
        answers = tuple(self.answers[child] for child in self.children)
        if len({answer.tier for answer in answers}) > 1:
            return Failure(code=errors.ExecutionFailed.code, message="different tiers answered for parts of one batch")
        return Verdict(answers=answers)

    def _last_failure(self) -> Failure:
        return next(reversed(self.failures.values()))
