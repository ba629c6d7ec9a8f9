"""Finds a plan for a request, first and whenever one came to nothing, and begins it."""

from __future__ import annotations

from msgspec.structs import replace

from meshd import errors
from meshd.core.answer import Failure
from meshd.core.attempts import Attempts
from meshd.core.books import Books
from meshd.core.candidate import Candidate, Observation
from meshd.core.commands import ChoosePlan
from meshd.core.cost import Here
from meshd.core.endings import Endings
from meshd.core.events import PlanChosen
from meshd.core.explanation import Choice
from meshd.core.forks import Forks
from meshd.core.life import Attempt, Given, Life, State, Step
from meshd.core.offer import Offer
from meshd.core.offers import Offers, question_of
from meshd.core.patience import end_s
from meshd.core.planner import Planner
from meshd.core.policy import LeastExpectedCost
from meshd.core.refusal import failure, no_way, too_late
from meshd.core.regret import Regret
from meshd.core.waits import Waits

_POLICY_PATIENCE_S = 0.05
"""A policy that has not answered by then is passed over: 500 times what a good one takes."""

_NO_POLICY = "the only way"
"""Told in place of a policy where there was nothing to choose: asking it would cost more than a small model takes."""

_DEATHS_TOO_MANY = 2
"""A request that took two executors with it gets no third: it may be what kills them."""

_DEADLY = frozenset({errors.ExecutionFailed.code, errors.PeerLost.code})
"""Failures that may mean that the request took its executor with it."""


class Chooser:
    """Leads requests through CHOOSING."""

    def __init__(self, books: Books, attempts: Attempts, endings: Endings) -> None:
        self._queue = books.queue
        self._lives = books.lives
        self._timers = books.timers
        self._explanations = books.explanations
        self._commands = books.commands
        self._numbers = books.numbers
        self._attempts = attempts
        self._endings = endings
        self._forks = Forks(books)
        self._planner = Planner(books.view, books.settings)
        self._offers = Offers(books.view)
        self.waits = Waits(books)
        self._regret = Regret(books)
        self._heuristic = LeastExpectedCost()

    def choose(self, life: Life, now: float) -> None:
        """Ask the policy where a request should run, unless there is no time or no way left."""
        if now >= end_s(life):
            self._endings.settle(life, too_late(life), now)
            return
        life.decision = next(self._numbers)
        observation = self.waits.allowing(life, self._offered(life, now), now)
        life.choice = Choice(observation=observation)
        self._explanations.add(life.story, life.choice)
        offer, may_wait = life.offer, observation.wait_s is not None
        if offer is not None and offer.index is not None and offer.may_wait is may_wait:
            self.follow(life, offer.index, offer.policy, now=now, note=offer.note)
            if life.state is not State.AWAITING:  # What is sent is watched from then on.
                self.watch(life)
        else:
            self._ask(life, observation, now)

    def settle(self, life: Life, index: int, policy: str, *, note: str = "") -> None:
        """Have the same chosen whenever the offer is taken up again."""
        if life.offer is not None:
            assert life.choice is not None, "a choosing request has a choice"
            life.offer.index, life.offer.policy, life.offer.note = index, policy, note
            life.offer.may_wait = life.choice.observation.wait_s is not None

    def observe(self, life: Life, now: float) -> Observation:
        """Look above a malformed output first; below it only if there is nothing above and no answer yet."""
        queue, priority = self._queue, life.request.priority
        alive = queue.queued + queue.running
        here = Here(
            is_full=not queue.can_take(priority), wait_s=queue.wait_s(priority), alive=alive, bound_for=queue.bound_for
        )
        observation = self._fitting(life, self._planner.observe(life, above=life.looked_tier, here=here, now=now))
        if life.flawed is not None and life.given is None and not observation.offers_any:
            return self._fitting(life, self._planner.observe(life, above=None, here=here, now=now))
        return observation

    def follow(self, life: Life, index: int, policy: str, *, now: float, note: str = "") -> None:
        """Begin the candidate that was chosen."""
        assert life.choice is not None, "a choosing request has a choice"
        life.choice.index, life.choice.policy, life.choice.note = index, policy, note
        candidate = life.choice.observation.candidates[index]
        self._regret.look_back(life.choice.observation, candidate, now)
        if candidate.shares and not self._forks.may_fork(life, len(candidate.shares)):
            self.choose(life, now)  # There was when it was offered; now it will not be.
        elif candidate.shares:
            self._begin_all(self._forks.share(life, candidate, now), now)
        elif rival := self._forks.rival(life, candidate):
            self._begin_all(self._forks.hedge(life, candidate, rival, now), now)
            self.watch(life)
        else:
            self.begin(life, candidate, life.decision, now)

    def follow_heuristic(self, life: Life, note: str, now: float) -> None:
        """Choose by the rule that serves when the policy does not."""
        assert life.choice is not None, "a choosing request has a choice"
        index = self._heuristic.choose(life.choice.observation)
        self.follow(life, index, self._heuristic.name, note=note, now=now)

    def wait(self, life: Life, at_most_s: float, chosen: PlanChosen, now: float) -> None:
        """Choose at a cheaper moment."""
        assert life.choice is not None, "a choosing request has a choice"
        life.choice.policy, life.choice.note = chosen.policy, chosen.note
        life.choice.wait = self.waits.begin(life, at_most_s, now)
        self.watch(life)

    def release(self, life: Life, ended_by: str, now: float) -> None:
        """Choose for a request that has waited."""
        self.waits.end(life, ended_by, now)
        self.choose(life, now)

    def begin(self, life: Life, candidate: Candidate, number: int, now: float) -> None:
        """Run a request here or dispatch it, whole or by legs."""
        life.began_s = now
        if not candidate.here:
            self._attempts.send(life, candidate, number, now)
            self.watch(life)
            return
        shed = self._attempts.run_here(life, candidate, number, now)
        if shed and (victim := self._lives.get(shed[0])):
            self._push_out(victim, now)

    def hand_on(self, life: Life, ended: Attempt, now: float) -> None:
        """Give the rest of a plan to the next node, or find another way from here if that one may not have it."""
        if now >= end_s(life):
            self._endings.settle(life, too_late(life), now)
            return
        if why := self._attempts.why_not_hand_on(life, ended.legs[1]):
            life.last_failure = failure(errors.PeerLost, why)
            life.advance(Step.LOSE)
            self.choose(life, now)
            return
        self._attempts.hand_on(life, ended, now)
        self.watch(life)

    def lose(self, life: Life, why: Failure, now: float) -> None:
        """Choose again after an attempt came to nothing, and may have taken its executor with it."""
        life.deaths += why.code in _DEADLY
        self.look_again(life, why, now)

    def look_again(self, life: Life, why: Failure, now: float) -> None:
        """Choose again, unless this request takes executors with it or its rival goes on.

        No refusal is final, also not of its input or of its id: both were checked where it arrived, and what a peer
        says of them is that peer's word. Who refuses is not asked again, so that there is an end to it.
        """
        life.last_failure = why
        if life.deaths >= _DEATHS_TOO_MANY or life.has_one_try:
            self._endings.settle(life, why, now)
            return
        life.advance(Step.LOSE)
        self.choose(life, now)

    def escalate(self, life: Life, given: Given | None, now: float) -> None:
        """Let a larger tier look again; it starts from the raw input."""
        life.given = given or life.given
        life.reached = None
        life.advance(Step.ESCALATE)
        self.choose(life, now)

    def watch(self, life: Life) -> None:
        """Have a request looked at when it has to end or has waited long enough, whichever is first."""
        self._timers.arm(min(end_s(life), life.look_s), life)

    def _offered(self, life: Life, now: float) -> Observation:
        """Return what a request may choose from: an offer that stands, or else what is weighed for it now."""
        is_idle = self._queue.is_idle and not self._attempts.out
        question, life.offer = question_of(life) if is_idle else None, None
        if question is None:
            return self.observe(life, now)
        remaining_s = life.remaining_s(now)
        life.offer = self._offers.standing(question, remaining_s, now)
        if life.offer is not None:
            return _taken_up(life.offer, life, remaining_s, now)
        observation = self.observe(life, now)
        life.offer = self._offers.keep(question, observation, now)
        return observation

    def _ask(self, life: Life, observation: Observation, now: float) -> None:
        """Ask the policy, unless there is nothing to choose."""
        allowed = [index for index, candidate in enumerate(observation.candidates) if candidate.reason is None]
        if len(allowed) > 1 or observation.wait_s is not None:
            life.look_s = now + _POLICY_PATIENCE_S
            self.watch(life)
            self._commands.append(ChoosePlan(observation=observation))
        elif allowed:
            self.settle(life, allowed[0], _NO_POLICY)
            self.follow(life, allowed[0], _NO_POLICY, now=now)
            self.watch(life)
        else:
            self._endings.settle(life, no_way(life, observation), now)

    def _begin_all(self, begun: list[tuple[Life, Candidate | None]], now: float) -> None:
        for child, candidate in begun:
            if candidate is None:
                self.choose(child, now)
            else:
                self.begin(child, candidate, next(self._numbers), now)
                self.watch(child)

    def _push_out(self, victim: Life, now: float) -> None:
        """Look elsewhere for a place for a request that more urgent ones pushed out of the queue."""
        victim.attempt = None
        if victim.has_one_try:
            self._endings.fail(
                victim, failure(errors.Overloaded, "more urgent requests took its place in the queue"), now
            )
            return
        victim.advance(Step.LOSE)
        self.choose(victim, now)

    def _fitting(self, life: Life, observation: Observation) -> Observation:
        """Mask the shares that this request may not be divided into now."""
        if life.request.batch == 1:
            return observation
        candidates = tuple(self._fit(life, candidate) for candidate in observation.candidates)
        return replace(observation, candidates=candidates)

    def _fit(self, life: Life, candidate: Candidate) -> Candidate:
        if not candidate.shares or not candidate.allowed:
            return candidate
        return replace(candidate, reason=self._forks.why_not_fork(life, len(candidate.shares)))


def _taken_up(offer: Offer, life: Life, remaining_s: float, now: float) -> Observation:
    return Observation(
        request_id=life.request.request_id,
        decision=life.decision,
        remaining_s=remaining_s,
        priority=life.request.priority,
        batch=life.request.batch,
        input_bytes=life.request.input_bytes,
        candidates=offer.candidates,
        weighed_ago_s=now - offer.weighed_s,
    )
