"""Takes in what came of attempts: of stages that ran here, of peers, and of children.

A report about anything but the current attempt of a live request changes no request.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from meshd import errors
from meshd.core import events
from meshd.core.answer import Answer, Failure, Hop, Outcome
from meshd.core.attempts import Attempts, bytes_to_send
from meshd.core.books import Books
from meshd.core.cascade import escalates, is_malformed
from meshd.core.chooser import Chooser
from meshd.core.endings import Endings
from meshd.core.fork import Verdict
from meshd.core.handling import Taken
from meshd.core.ids import NodeId, RequestId
from meshd.core.itinerary import joined
from meshd.core.life import Attempt, Given, Life, Reached, State
from meshd.core.node import HostedTier
from meshd.core.plan import Leg
from meshd.core.refusal import failure, too_late
from meshd.core.run_queue import Run

_LOOKED_ALREADY = "it has looked, and could not reach the larger tier that its answer asked for"


class Reports:
    """Leads requests out of RUNNING, AWAITING and FORKED."""

    def __init__(self, books: Books, attempts: Attempts, chooser: Chooser, endings: Endings) -> None:
        self._books = books
        self._view = books.view
        self._queue = books.queue
        self._lives = books.lives
        self._attempts = attempts
        self._chooser = chooser
        self._endings = endings
        self.lessons: list[Callable[[], None]] = []
        """What is to be taken in, in order, once nobody waits for it."""

    def stage_finished(self, done: events.StageFinished, now: float) -> None:
        """Pass on what was reached, or judge the answer if that was the last stage."""
        run = self._queue.ended((done.request_id, done.attempt))
        life = self._under_way(done.request_id, done.attempt, State.RUNNING)
        if life is None or life.attempt is None or run is None:
            return
        attempt, life.attempt = life.attempt, None
        self._note_run(life, attempt, done, run, now)
        leg = attempt.leg
        if leg is not None and leg.last < len(attempt.candidate.tier.stages):
            self._reach(life, attempt, done, now)
        else:
            self._judge(life, attempt, done, now)

    def stage_failed(self, failed: events.StageFailed, now: float) -> None:
        """Look for another way after a stage could not be run here."""
        self._queue.ended((failed.request_id, failed.attempt))
        life = self._under_way(failed.request_id, failed.attempt, State.RUNNING)
        if life is not None and life.attempt is not None:
            why = Failure(code=failed.code, message=failed.message)
            attempt, life.attempt = life.attempt, None
            self._break(life, attempt, why, now)

    def peer_answered(self, answered: events.PeerAnswered, now: float) -> None:
        """Accept a peer's answer; a degraded one only if no larger tier can be reached from here either."""
        life = self._under_way(answered.request_id, answered.attempt, State.AWAITING)
        if life is None or life.attempt is None or life.attempt.there != answered.node_id:
            return
        attempt = life.attempt
        if answered.sent_bytes:
            self._attempts.sent(life, answered.sent_bytes)
        self._attempts.ended_there(life)
        self._view.radio.used(now)
        elapsed_s = now - attempt.since_s
        transfer_s = life.itinerary.answered_there(answered.answer, elapsed_s=elapsed_s, codec=answered.codec)
        n_bytes, items, item_bytes = bytes_to_send(life, attempt.leg), life.request.batch, life.item_bytes
        if answered.answer.degraded and not attempt.legs:
            life.shunned |= dict.fromkeys((hop.node_id for hop in answered.answer.route), _LOOKED_ALREADY)
        answer = life.itinerary.compose_from(answered.answer, total_s=now - life.arrived_s)
        self._conclude(life, Given(answer=answer, attempt=answered.attempt), now)
        sent = partial(self._learn_from_peer, n_bytes=n_bytes, items=items, item_bytes=item_bytes)
        self.lessons.append(partial(sent, attempt, answered, transfer_s, now))

    def peer_refused(self, refused: events.PeerRefused, now: float) -> None:
        """Look for another way after a peer ended a request without an answer."""
        life = self._under_way(refused.request_id, refused.attempt, State.AWAITING)
        if life is None or life.attempt is None or life.attempt.there != refused.node_id:
            return
        self._attempts.ended_there(life)
        life.shunned[refused.node_id] = refused.message
        why = Failure(code=refused.code, message=refused.message)
        self._chooser.lose(life, why, now)

    def peer_lost(self, node_id: NodeId, why: Failure, now: float) -> None:
        """Look for another way for every request that is out at a peer that is gone."""
        out = [life for life in self._lives.values() if life.attempt is not None and life.attempt.there == node_id]
        for life in out:
            self._books.at = life.request.request_id
            self._attempts.call_back(life, now)
            life.shunned[node_id] = why.message
            self._chooser.lose(life, why, now)
        self._books.at = None

    def tell_parents(self, now: float) -> None:
        """Tell parents how their children ended, and end or go on with those that this decides."""
        while self._endings.of_children:
            child, outcome = self._endings.of_children.pop(0)
            assert child.parent is not None, "only children have to be told of"
            parent = self._lives.get(child.parent)
            if parent is not None and parent.state is State.FORKED and child.request.request_id in _open(parent):
                self._books.at = child.parent
                self._child_ended(parent, child, outcome, now)
        self._books.at = None

    def _note_run(self, life: Life, attempt: Attempt, done: events.StageFinished, run: Run, now: float) -> None:
        """Account for what ran; a batch teaches once, with the first of its members, what one item took."""
        own, tier, leg = self._view.own.profile, attempt.candidate.tier, attempt.leg
        hop = Hop(
            node_id=own.node_id,
            node=own.name,
            tier=tier.tier,
            variant=tier.variant,
            compute_s=done.compute_s,
            items=done.items,
            score=None if is_malformed(tier, done.score) else done.score,
            anomalous=done.anomalous,
            stages=None if leg is None else (leg.first, leg.last),
        )
        macs = tier.macs if leg is None else tier.macs_of(leg.first, leg.last)
        life.itinerary.ran_here(hop, joules=own.power.compute_joules(macs * life.request.batch))
        if not run.has_taught:
            run.has_taught = True
            self.lessons.append(partial(self._learn_run, tier, leg, done, life.item_bytes, now))

    def _learn_run(
        self, tier: HostedTier, leg: Leg | None, done: events.StageFinished, item_bytes: float, now: float
    ) -> None:
        own, item_s = self._view.own.profile.node_id, done.compute_s / done.items
        if done.load_s:
            first, last = (0, len(tier.stages)) if leg is None else (leg.first, leg.last)
            self._view.learn_load(tier, first, last, done.load_s, now)
        if leg is None:
            self._view.learn_compute(own, tier, item_s, now, item_bytes)
        else:
            self._view.learn_stages(own, tier, leg.first, leg.last, item_s, now, item_bytes=item_bytes)

    def _learn_from_peer(
        self,
        attempt: Attempt,
        answered: events.PeerAnswered,
        transfer_s: float,
        now: float,
        *,
        n_bytes: int,
        items: int,
        item_bytes: float,
    ) -> None:
        tier, stage = attempt.candidate.tier, attempt.leg.first if attempt.leg else 0
        link = self._view.link_to(answered.node_id)
        transfer_s = link.traffic.alone_s(transfer_s, sent_s=attempt.since_s, rtt_s=link.rtt_s.mean)
        self._view.learn_exchange(answered, tier, stage, attempt.codec, n_bytes, transfer_s, now, items=items)
        self._view.learn_from(answered.node_id, answered.answer, now, item_bytes=item_bytes)

    def _reach(self, life: Life, attempt: Attempt, done: events.StageFinished, now: float) -> None:
        leg, tier = attempt.legs[0], attempt.candidate.tier
        if done.malformed:
            what = f"stages {leg.first}-{leg.last} of the {tier.tier} model gave a malformed output"
            self._break(life, attempt, failure(errors.ExecutionFailed, what), now)
            return
        if leg.first == 0:
            input_bytes = life.request.input_bytes
            self._view.crossings.learn(tier, leg.last, out_bytes=done.out_bytes, input_bytes=input_bytes)
        life.reached = Reached(tier=tier, stage=leg.last, attempt=attempt.number, n_bytes=done.out_bytes)
        self._chooser.hand_on(life, attempt, now)

    def _judge(self, life: Life, attempt: Attempt, done: events.StageFinished, now: float) -> None:
        """Accept what the last stage gave, or let a larger tier look."""
        tier = attempt.candidate.tier
        malformed = done.malformed or is_malformed(tier, done.score)
        escalated = malformed or escalates(tier, done.score)
        if tier.score_output is not None:
            self._view.escalations.learn(tier, escalated=escalated, now=now)
        answer = life.itinerary.compose(tier, total_s=now - life.arrived_s, degraded=escalated)
        if malformed:
            self._distrust(life, attempt, now)
        else:
            self._conclude(life, Given(answer=answer, attempt=done.attempt), now)

    def _conclude(self, life: Life, given: Given, now: float) -> None:
        """End a request with an answer, unless the answer asks for a larger tier and one may be asked from here.

        One that comes late is none, also where nobody had the time to look at the clock before it.
        """
        if now > life.deadline_s:
            self._endings.settle(life, too_late(life), now)
        elif given.answer.degraded and life.may_climb:
            self._chooser.escalate(life, given, now)
        else:
            self._endings.answer(life, given, now)
            self.lessons.append(partial(self._learn_handling, life, given.answer, now))

    def _learn_handling(self, life: Life, answer: Answer, now: float) -> None:
        """Take in what a request took beyond its parts, where it went as it was planned, all at once and only once.

        What it waited for the policy, or for this node to come to it, is nobody's: every plan would have had to.
        """
        choice = life.choice
        if len(life.story.choices) != 1 or choice is None or choice.index is None or answer.escalations:
            return
        chosen = choice.observation.candidates[choice.index]
        predicted = chosen.prediction
        if chosen.shares or life.fork is not None or life.parent is not None or predicted.load_s or chosen.is_assumed:
            return
        timings, chosen_s = answer.timings, life.began_s - life.arrived_s
        named_s = timings.compute_s + timings.transfer_s
        beyond_s = max(0.0, timings.total_s - chosen_s - timings.queue_s - named_s)
        taken = Taken(
            artifact=chosen.tier.artifact,
            cuts=tuple([leg.first for leg in chosen.legs if leg.first]),
            n_bytes=life.request.input_bytes,
            parts_s=predicted.compute_s + predicted.transfer_s,
            beyond_s=beyond_s,
            took_s=named_s + beyond_s if life.is_alone else None,
        )
        self._view.learn_handling(chosen.legs[-1].node_id if chosen.legs else chosen.node_id, taken, now)

    def _distrust(self, life: Life, attempt: Attempt, now: float) -> None:
        """Let a larger tier look where one gave no sensible output."""
        tier = attempt.candidate.tier
        why = failure(errors.ExecutionFailed, f"the {tier.tier} model gave a malformed output")
        if not life.may_climb:
            self._break(life, attempt, why, now)
            return
        life.flawed = tier.tier
        life.broken[tier.artifact] = why.message  # Whatever its stages give, the whole gives too.
        life.last_failure = why
        self._chooser.escalate(life, None, now)

    def _break(self, life: Life, attempt: Attempt, why: Failure, now: float) -> None:
        """Run a model that failed a request here no more for it; where stages of it failed, no stages of it."""
        broken = life.broken_stages if attempt.legs else life.broken
        broken[attempt.candidate.tier.artifact] = why.message
        self._chooser.lose(life, why, now)

    def _child_ended(self, parent: Life, child: Life, outcome: Outcome, now: float) -> None:
        fork = parent.fork
        assert fork is not None, "a forked request has children"
        fork.ended(child.request.request_id, outcome)
        if not isinstance(outcome, Answer):
            fork.wasted_joules += child.itinerary.joules
            parent.deaths += child.deaths
            parent.shunned |= child.shunned
            parent.broken |= child.broken
        verdict = fork.verdict()
        if isinstance(verdict, Verdict):
            self._forked_answer(parent, verdict, now)
        elif verdict is not None:
            self._endings.call_back(parent, now)
            parent.itinerary.joules += fork.wasted_joules
            self._chooser.look_again(parent, verdict, now)

    def _forked_answer(self, parent: Life, verdict: Verdict, now: float) -> None:
        fork, attempt = parent.fork, parent.attempt
        assert fork is not None, "a forked request has children"
        assert attempt is not None, "and an attempt that they are"
        self._endings.call_back(parent, now)
        parent.itinerary.came_together(verdict.answers, wasted_joules=fork.wasted_joules)
        tier = attempt.candidate.tier
        answer = verdict.answers[0] if verdict.child else joined(tier, verdict.answers)
        answer = parent.itinerary.compose_from(answer, total_s=now - parent.arrived_s)
        self._conclude(parent, Given(answer=answer, attempt=fork.attempt, child=verdict.child), now)

    def _under_way(self, request_id: RequestId, attempt: int, state: State) -> Life | None:
        life = self._lives.get(request_id)
        return life if life is not None and life.current(attempt, state) else None


def _open(parent: Life) -> tuple[RequestId, ...]:
    return parent.fork.children if parent.fork is not None else ()
