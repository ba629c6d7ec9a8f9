"""Gives every request its one outcome."""

from __future__ import annotations

from msgspec.structs import replace

from meshd import errors
from meshd.core.answer import Failure, Outcome
from meshd.core.attempts import Attempts
from meshd.core.books import Books
from meshd.core.commands import Finish
from meshd.core.ids import RequestId
from meshd.core.life import Given, Life, State, Step
from meshd.core.refusal import failure

_NOT_NEEDED = failure(errors.Cancelled, "the request that it was a part of needs it no more")


class Endings:
    """Ends lives; those of children are remembered until their parents are told."""

    def __init__(self, books: Books, attempts: Attempts) -> None:
        self.of_children: list[tuple[Life, Outcome]] = []
        """Ends that parents have not been told of."""
        self._lives = books.lives
        self._waiting = books.waiting
        self._attempts = attempts
        self._commands = books.commands

    def answer(self, life: Life, given: Given, now: float) -> None:
        """End a request with an answer; what a smaller tier says in place of a flawed larger one is degraded."""
        answer = given.answer
        if life.flawed is not None and answer.tier.rank < life.flawed.rank:
            answer = replace(answer, degraded=True)
        self.call_back(life, now)
        life.advance(Step.ANSWER)
        self._finish(life, answer, given.attempt, given.child)

    def fail(self, life: Life, why: Failure, now: float) -> None:
        """End a request without an answer."""
        self.call_back(life, now)
        life.advance(Step.FAIL)
        self._finish(life, why, None, None)

    def settle(self, life: Life, why: Failure, now: float) -> None:
        """End a request that can get no further: with its smaller answer, marked degraded, or with the failure."""
        given = life.given
        if given is None:
            self.fail(life, why, now)
            return
        timings = replace(given.answer.timings, total_s=now - life.arrived_s)
        answer = replace(given.answer, degraded=True, timings=timings, energy=life.itinerary.energy)
        self.answer(life, Given(answer=answer, attempt=given.attempt, child=given.child), now)

    def call_back(self, life: Life, now: float) -> None:
        """End whatever is under way for a request, its children included."""
        if life.state is State.FORKED and life.fork is not None:
            self.call_back_children(life, now)
            life.attempt = None
        else:
            self._attempts.call_back(life, now)

    def call_back_children(self, life: Life, now: float) -> None:
        """End the children of a request that are still alive, and count what they have cost."""
        assert life.fork is not None, "only a fork has children"
        for name in life.fork.children:
            if child := self._lives.get(name):
                life.fork.wasted_joules += _spent_joules(child)
                self.fail(child, _NOT_NEEDED, now)

    def _finish(self, life: Life, outcome: Outcome, attempt: int | None, child: RequestId | None) -> None:
        request_id = life.request.request_id
        del self._lives[request_id]
        self._waiting.pop(request_id, None)
        life.story.outcome = outcome
        self._commands.append(Finish(request_id=request_id, outcome=outcome, attempt=attempt, child=child))
        if life.parent is not None:
            self.of_children.append((life, outcome))


def _spent_joules(life: Life) -> float:
    """Return what a request that is called back has cost: what was predicted, for nobody will report it."""
    predicted = life.attempt.candidate.prediction.joules if life.attempt else 0.0
    return max(life.itinerary.joules, predicted)
