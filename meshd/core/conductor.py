"""Leads every request from its arrival to its one outcome.

Rules of this file:

- an admitted request ends by its deadline at the latest, a smaller answer before no answer;
- a delegated request is run here or refused; only what it turns out to need beyond that is looked for elsewhere;
- ``Life.attempt`` is set while something is under way for a request and at no other time, so whatever ends an
  attempt clears it first;
- a report about anything but the current attempt of a live request changes no request.
"""

from __future__ import annotations

from msgspec.structs import replace

from meshd import errors
from meshd.core import events
from meshd.core.admission import room_for, why_not_admit
from meshd.core.answer import Answer, Failure, Hop, Outcome
from meshd.core.candidate import Candidate, Observation
from meshd.core.cascade import escalates, is_malformed
from meshd.core.commands import ChoosePlan, Command, Dispatch, DropStage, Finish, Recall, RunStage
from meshd.core.explanation import Choice, Explanations
from meshd.core.ids import NodeId, RequestId
from meshd.core.itinerary import Itinerary
from meshd.core.life import Attempt, Given, Life, State, Step
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier
from meshd.core.patience import margin_s, seconds_there, wait_s
from meshd.core.planner import Here, Planner
from meshd.core.policy import LeastExpectedCost
from meshd.core.refusal import failure, no_way, too_late
from meshd.core.request import Request
from meshd.core.run_queue import RunQueue
from meshd.core.settings import Settings
from meshd.core.timers import Timers

_POLICY_PATIENCE_S = 0.05
"""A policy that has not answered by then is passed over: 500 times what a good one takes."""

_DEATHS_TOO_MANY = 2
"""A request that took two executors with it gets no third: it may be what kills them."""

_FINAL = frozenset({errors.InvalidInput.code, errors.DuplicateRequest.code})
"""Refusals that any other node would repeat."""

_DEADLY = frozenset({errors.ExecutionFailed.code, errors.PeerLost.code})
"""Failures that may mean that the request took its executor with it."""

_LOOKED_ALREADY = "it has looked, and could not reach the larger tier that its answer asked for"


class Conductor:
    """Holds the live requests; appends what is to be done to the list of commands it was given."""

    def __init__(self, view: MeshView, settings: Settings, queue: RunQueue, commands: list[Command]) -> None:
        self.explanations = Explanations(settings.max_explained)
        self._view = view
        self._settings = settings
        self._queue = queue
        self._commands = commands
        self._planner = Planner(view, settings)
        self._heuristic = LeastExpectedCost()
        self._lives: dict[RequestId, Life] = {}
        self._timers = Timers(self._lives)
        self._decisions = 0
        self._draining = False

    @property
    def alive(self) -> int:
        """Return how many requests have no outcome yet."""
        return len(self._lives)

    @property
    def next_timer_s(self) -> float:
        """Return when :meth:`wake` is due; infinity when nothing waits."""
        return self._timers.next_s

    def drain(self) -> None:
        """Take no new requests; those alive go on."""
        self._draining = True

    def arrive(self, request: Request, now: float) -> None:
        """Admit a request and look for a plan, or refuse it with the reason."""
        assert request.request_id not in self._lives, "the daemon joins requests of the same id"
        room = room_for(request, self._settings, alive=len(self._lives))
        refusal = why_not_admit(request, self._view.own.profile.device_class, draining=self._draining, room=room)
        story = self.explanations.begin(request)
        life = Life(request=request, arrived_s=now, itinerary=Itinerary(), story=story)
        self._lives[request.request_id] = life
        if refusal:
            self._fail(life, refusal)
            return
        life.advance(Step.ADMIT)
        if request.delegated:
            self._use_radio(life, now)
        self._timers.wake_at(life.deadline_s - margin_s(request.deadline_s), life)
        self._timers.wake_at(life.deadline_s, life)
        self._choose(life, now)

    def cancel(self, request_id: RequestId) -> None:
        """End a request that nobody waits for any more."""
        if life := self._lives.get(request_id):
            self._fail(life, failure(errors.Cancelled, "the asker withdrew the request"))

    def plan(self, chosen: events.PlanChosen, now: float) -> None:
        """Follow the policy if its answer is fresh and allowed; the heuristic otherwise."""
        life = self._lives.get(chosen.request_id)
        if life is None or life.state is not State.CHOOSING or life.decision != chosen.decision or life.choice is None:
            return
        candidates = life.choice.observation.candidates
        if self._time_is_up(life, now):
            self._settle(life, too_late(life), now)
        elif 0 <= chosen.index < len(candidates) and candidates[chosen.index].allowed:
            self._follow(life, chosen.index, chosen.policy, now=now)
        else:
            self._follow_heuristic(life, f"{chosen.policy} chose {chosen.index}, which is not allowed", now)

    def start_stages(self, now: float) -> None:
        """Give free slots to waiting stages."""
        while token := self._queue.start():
            request_id, attempt = token
            life = self._lives[request_id]
            life.advance(Step.START)
            assert life.attempt is not None, "a queued request has an attempt"
            life.itinerary.queue_s += now - life.attempt.since_s
            tier = life.attempt.candidate.tier
            self._commands.append(RunStage(request_id=request_id, attempt=attempt, tier=tier))

    def stage_finished(self, done: events.StageFinished, now: float) -> None:
        """Accept a stage's answer, or escalate."""
        self._queue.ended((done.request_id, done.attempt))
        life, attempt = self._under_way(done.request_id, done.attempt, State.RUNNING)
        if life is None or attempt is None:
            return
        life.attempt = None
        tier = attempt.candidate.tier
        malformed = done.malformed or is_malformed(tier, done.score)
        self._note_run(life, tier, done, now)
        escalated = malformed or escalates(tier, done.score)
        self._view.learn_escalation(tier, escalated=escalated, now=now)
        answer = life.itinerary.compose(tier, total_s=now - life.arrived_s)
        if malformed:
            self._distrust(life, tier, now)
        elif escalated:
            self._escalate(life, Given(answer=answer, attempt=done.attempt), now)
        else:
            self._answer(life, answer, done.attempt)

    def stage_failed(self, failed: events.StageFailed, now: float) -> None:
        """Look for another way after a stage could not be run here."""
        self._queue.ended((failed.request_id, failed.attempt))
        life, attempt = self._under_way(failed.request_id, failed.attempt, State.RUNNING)
        if life is not None and attempt is not None:
            life.attempt = None
            life.broken[attempt.candidate.tier.artifact] = failed.message
            self._lose(life, Failure(code=failed.code, message=failed.message), now)

    def peer_answered(self, answered: events.PeerAnswered, now: float) -> None:
        """Accept a peer's answer; a degraded one only if no larger tier can be reached from here either."""
        life, attempt = self._under_way(answered.request_id, answered.attempt, State.AWAITING)
        if life is None or attempt is None or attempt.candidate.node_id != answered.node_id:
            return
        self._end_attempt_there(life, answered.node_id)
        self._view.radio_used(now)
        transfer_s = life.itinerary.answered_there(answered.answer, elapsed_s=now - attempt.since_s)
        self._view.link_to(answered.node_id).measured(answered.transferred_bytes, transfer_s, now)
        self._view.learn_from(answered.node_id, answered.answer, life.request.batch, now)
        answer = life.itinerary.compose_from(answered.answer, total_s=now - life.arrived_s)
        if answer.degraded:
            life.shunned |= dict.fromkeys((hop.node_id for hop in answered.answer.route), _LOOKED_ALREADY)
            self._escalate(life, Given(answer=answer, attempt=answered.attempt), now)
        else:
            self._answer(life, answer, answered.attempt)

    def peer_refused(self, refused: events.PeerRefused, now: float) -> None:
        """Look for another way after a peer ended a request without an answer."""
        life, attempt = self._under_way(refused.request_id, refused.attempt, State.AWAITING)
        if life is None or attempt is None or attempt.candidate.node_id != refused.node_id:
            return
        self._end_attempt_there(life, refused.node_id)
        life.shunned[refused.node_id] = refused.message
        self._lose(life, Failure(code=refused.code, message=refused.message), now)

    def peer_lost(self, node_id: NodeId, why: Failure, now: float) -> None:
        """Look for another way for every request that is out at a peer that is gone."""
        for life in list(self._lives.values()):
            if life.state is State.AWAITING and life.attempt and life.attempt.candidate.node_id == node_id:
                self._end_attempt(life)
                life.shunned[node_id] = why.message
                self._lose(life, why, now)

    def wake(self, now: float) -> None:
        """Look at every request whose timer has come."""
        for life, decision in self._timers.due(now):
            self._look_at(life, decision, now)

    def _choose(self, life: Life, now: float) -> None:
        if self._time_is_up(life, now):
            self._settle(life, too_late(life), now)
            return
        self._decisions += 1
        life.decision = self._decisions
        life.choice = Choice(observation=self._observe(life, now))
        self.explanations.add(life.story, life.choice)
        if life.choice.observation.offers_any:
            self._timers.wake_at(now + _POLICY_PATIENCE_S, life)
            self._commands.append(ChoosePlan(observation=life.choice.observation))
        else:
            self._settle(life, no_way(life, life.choice.observation), now)

    def _observe(self, life: Life, now: float) -> Observation:
        """Look above a malformed output first; below it only if there is nothing above and no answer yet."""
        priority = life.request.priority
        here = Here(is_full=not self._queue.can_take(priority), wait_s=self._queue.wait_s(priority))
        observation = self._planner.observe(life, above=life.looked_tier, here=here, now=now)
        if life.flawed is not None and life.given is None and not observation.offers_any:
            return self._planner.observe(life, above=None, here=here, now=now)
        return observation

    def _follow_heuristic(self, life: Life, note: str, now: float) -> None:
        assert life.choice is not None, "a choosing request has a choice"
        index = self._heuristic.choose(life.choice.observation)
        self._follow(life, index, self._heuristic.name, note=note, now=now)

    def _follow(self, life: Life, index: int, policy: str, *, now: float, note: str = "") -> None:
        assert life.choice is not None, "a choosing request has a choice"
        life.choice.index, life.choice.policy, life.choice.note = index, policy, note
        candidate = life.choice.observation.candidates[index]
        if candidate.here:
            life.attempt = Attempt(number=life.decision, candidate=candidate, since_s=now, until_s=life.deadline_s)
            self._queue_here(life, candidate, now)
        else:
            until_s = now + wait_s(self._settings, life, candidate)
            life.attempt = Attempt(number=life.decision, candidate=candidate, since_s=now, until_s=until_s)
            self._dispatch(life, candidate, now)

    def _queue_here(self, life: Life, candidate: Candidate, now: float) -> None:
        life.advance(Step.PLAN_HERE)
        expected_s = candidate.prediction.load_s + candidate.prediction.compute_s
        token = (life.request.request_id, life.decision)
        shed = self._queue.push(token, life.request.priority, life.deadline_s, expected_s)
        if shed and (victim := self._lives.get(shed[0])):
            self._push_out(victim, now)

    def _push_out(self, victim: Life, now: float) -> None:
        """Look elsewhere for a place for a request that more urgent ones pushed out of the queue."""
        victim.attempt = None
        victim.advance(Step.LOSE)
        self._choose(victim, now)

    def _dispatch(self, life: Life, candidate: Candidate, now: float) -> None:
        life.advance(Step.PLAN_THERE)
        self._view.link_to(candidate.node_id).outstanding += 1
        self._use_radio(life, now)
        assert life.attempt is not None, "what is dispatched is an attempt"
        self._timers.wake_at(life.attempt.until_s, life)
        self._commands.append(
            Dispatch(
                request_id=life.request.request_id,
                attempt=life.decision,
                node_id=candidate.node_id,
                start_tier=candidate.tier.tier,
                deadline_s=seconds_there(life.remaining_s(now), candidate.prediction),
                via=(*life.request.via, self._view.own.profile.node_id),
            )
        )

    def _use_radio(self, life: Life, now: float) -> None:
        """Account for the input's way over this node's radio, in or out."""
        wakes = self._view.radio_wakes(now)
        life.itinerary.joules += self._view.own.profile.power.radio_joules(life.request.input_bytes, wakes)
        self._view.radio_used(now)

    def _note_run(self, life: Life, tier: HostedTier, done: events.StageFinished, now: float) -> None:
        own = self._view.own.profile
        hop = Hop(
            node_id=own.node_id,
            node=own.name,
            tier=tier.tier,
            variant=tier.variant,
            compute_s=done.compute_s,
            score=None if is_malformed(tier, done.score) else done.score,
            anomalous=done.anomalous,
        )
        life.itinerary.ran_here(hop, joules=own.power.compute_joules(tier.macs * life.request.batch))
        self._view.learn_compute(own.node_id, tier, done.compute_s / life.request.batch, now)

    def _escalate(self, life: Life, given: Given, now: float) -> None:
        life.given = given
        life.advance(Step.ESCALATE)
        self._choose(life, now)

    def _distrust(self, life: Life, tier: HostedTier, now: float) -> None:
        """Let a larger tier look where one gave no sensible output."""
        what = f"the {tier.tier} model gave a malformed output"
        life.flawed = tier.tier
        life.broken[tier.artifact] = what
        life.last_failure = failure(errors.ExecutionFailed, what)
        life.advance(Step.ESCALATE)
        self._choose(life, now)

    def _lose(self, life: Life, why: Failure, now: float) -> None:
        """Choose again after an attempt came to nothing, unless that is pointless."""
        life.deaths += why.code in _DEADLY
        life.last_failure = why
        if why.code in _FINAL or life.deaths >= _DEATHS_TOO_MANY:
            self._settle(life, why, now)
            return
        life.advance(Step.LOSE)
        self._choose(life, now)

    def _answer(self, life: Life, answer: Answer, attempt: int) -> None:
        if life.flawed is not None and answer.tier.rank < life.flawed.rank:
            answer = replace(answer, degraded=True)
        life.advance(Step.ANSWER)
        self._finish(life, answer, attempt)

    def _fail(self, life: Life, why: Failure) -> None:
        self._end_attempt(life)
        life.advance(Step.FAIL)
        self._finish(life, why, None)

    def _settle(self, life: Life, why: Failure, now: float) -> None:
        """End a request that can get no further: with its smaller answer, marked degraded, or with the failure."""
        if life.given is None:
            self._fail(life, why)
            return
        self._end_attempt(life)
        answer = life.given.answer
        timings = replace(answer.timings, total_s=now - life.arrived_s)
        energy = replace(answer.energy, joules=life.itinerary.joules)
        self._answer(life, replace(answer, degraded=True, timings=timings, energy=energy), life.given.attempt)

    def _finish(self, life: Life, outcome: Outcome, attempt: int | None) -> None:
        request_id = life.request.request_id
        del self._lives[request_id]
        life.story.outcome = outcome
        self._commands.append(Finish(request_id=request_id, outcome=outcome, attempt=attempt))

    def _end_attempt(self, life: Life) -> None:
        """Call back whatever is under way for a request."""
        if life.attempt is None:
            return
        request_id, number = life.request.request_id, life.attempt.number
        node_id = life.attempt.candidate.node_id
        if life.state is State.QUEUED:
            self._queue.withdraw((request_id, number))
        elif life.state is State.RUNNING:
            self._commands.append(DropStage(request_id=request_id, attempt=number))
        elif life.state is State.AWAITING:
            self._end_attempt_there(life, node_id)
            self._commands.append(Recall(request_id=request_id, attempt=number, node_id=node_id))
        life.attempt = None

    def _end_attempt_there(self, life: Life, node_id: NodeId) -> None:
        life.attempt = None
        link = self._view.link_to(node_id)
        link.outstanding = max(0, link.outstanding - 1)

    def _under_way(self, request_id: RequestId, attempt: int, state: State) -> tuple[Life | None, Attempt | None]:
        life = self._lives.get(request_id)
        current = life.current(attempt, state) if life else None
        return (life, current) if current else (None, None)

    def _time_is_up(self, life: Life, now: float) -> bool:
        """Tell whether a request has to end now: at its deadline, or a little before it if an answer is at hand."""
        return now >= life.deadline_s or (
            life.given is not None and now >= life.deadline_s - margin_s(life.request.deadline_s)
        )

    def _look_at(self, life: Life, decision: int, now: float) -> None:
        """See whether a request has waited too long: for its deadline, its policy or its peer."""
        if self._time_is_up(life, now):
            self._settle(life, too_late(life), now)
        elif decision == life.decision and life.state is State.CHOOSING:
            self._follow_heuristic(life, "the policy did not answer in time", now)
        elif decision == life.decision and life.state is State.AWAITING:
            self._lose_patience(life, now)

    def _lose_patience(self, life: Life, now: float) -> None:
        """Try elsewhere if there is an elsewhere; a slow peer is better than none, for as long again.

        A peer that asked us is told at once what we have: it may know an elsewhere that we do not.
        """
        attempt = life.attempt
        assert attempt is not None, "an awaiting request has an attempt"
        if now < attempt.until_s:
            return
        node_id, waited_s = attempt.candidate.node_id, now - attempt.since_s
        life.shunned[node_id] = f"no answer within {waited_s * 1e3:.0f} ms"
        if self._observe(life, now).offers_any:
            self._end_attempt(life)
            life.advance(Step.LOSE)
            self._choose(life, now)
        elif life.request.delegated and life.given is not None:
            self._settle(life, failure(errors.PeerLost, life.shunned[node_id]), now)
        else:
            del life.shunned[node_id]
            self._timers.wake_at(now + max(waited_s, self._settings.patience_floor_s), life)
