"""Leads every request from its arrival to its one outcome.

Rules of this file:

- an admitted request ends by its deadline at the latest, a smaller answer before no answer;
- ``Life.attempt`` is set while something is under way for a request and at no other time, so whatever ends an
  attempt clears it first;
- a report about anything but the current attempt of a live request changes no request.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from msgspec.structs import replace

from meshd import errors
from meshd.core import events
from meshd.core.answer import Answer, Failure, Hop, Outcome
from meshd.core.candidate import Candidate, Mask, Observation
from meshd.core.cascade import escalates
from meshd.core.commands import ChoosePlan, Command, Dispatch, DropStage, Finish, Recall, RunStage
from meshd.core.explanation import Choice, Explanation, Explanations
from meshd.core.ids import NodeId, RequestId
from meshd.core.itinerary import Itinerary
from meshd.core.life import Attempt, Given, Life, State, Step
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier
from meshd.core.planner import Planner
from meshd.core.policy import LeastExpectedCost
from meshd.core.privacy import why_not_send
from meshd.core.request import Request
from meshd.core.run_queue import RunQueue
from meshd.core.settings import Settings

_POLICY_PATIENCE_S = 0.05
"""A policy that has not answered by then is passed over: 500 times what a good one takes."""

_MARGIN = 0.05
"""Share of the deadline kept back, at most _MARGIN_MOST_S, so that a degraded answer still arrives in time."""
_MARGIN_MOST_S = 0.02

_DEATHS_TOO_MANY = 2
"""A request that took two executors with it gets no third: it may be what kills them."""

_FINAL = frozenset({errors.InvalidInput.code, errors.DuplicateRequest.code})
"""Refusals that any other node would repeat."""

_TIMERS_PER_LIFE = 16
"""More timers than this per live request means that most belong to the dead: time to sweep."""


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
        self._timers: list[tuple[float, RequestId, int]] = []
        self._draining = False

    @property
    def alive(self) -> int:
        """Return how many requests have no outcome yet."""
        return len(self._lives)

    @property
    def next_timer_s(self) -> float:
        """Return when :meth:`wake` is due; infinity when nothing waits."""
        return self._timers[0][0] if self._timers else float("inf")

    def drain(self) -> None:
        """Take no new requests; those alive go on."""
        self._draining = True

    def arrive(self, request: Request, now: float) -> None:
        """Admit a request and look for a plan, or refuse it with the reason."""
        assert request.request_id not in self._lives, "the daemon joins requests of the same id"
        life = Life(request=request, arrived_s=now, itinerary=Itinerary())
        self._lives[request.request_id] = life
        self.explanations.begin(request)
        if refusal := self._why_not_admit(request):
            self._fail(life, refusal)
            return
        life.advance(Step.ADMIT)
        if request.delegated:
            self._view.radio_used(now)
            life.itinerary.joules += self._view.own.profile.power.radio_joules(request.input_bytes, 0)
        self._wake_at(life.deadline_s - _margin_s(request.deadline_s), life)
        self._wake_at(life.deadline_s, life)
        self._choose(life, now)

    def cancel(self, request_id: RequestId) -> None:
        """End a request that nobody waits for any more."""
        if life := self._lives.get(request_id):
            self._fail(life, _failure(errors.Cancelled, "the asker withdrew the request"))

    def plan(self, chosen: events.PlanChosen, now: float) -> None:
        """Follow the policy if its answer is fresh and allowed; the heuristic otherwise."""
        life = self._lives.get(chosen.request_id)
        if life is None or life.state is not State.CHOOSING or life.decision != chosen.decision:
            return
        mask = self._story(life).choices[-1].observation.mask
        if 0 <= chosen.index < len(mask) and mask[chosen.index]:
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
        life, attempt = self._under_way(done.request_id, done.attempt)
        if life is None or attempt is None:
            return
        life.attempt = None
        tier = attempt.candidate.tier
        own_id = self._view.own.profile.node_id
        self._view.learn_compute(own_id, tier, done.compute_s / life.request.batch, now)
        escalated = escalates(tier, done.score, malformed=done.malformed)
        self._view.learn_escalation(tier, escalated=escalated, now=now)
        answer = self._compose(life, tier, done, now)
        if not escalated:
            self._answer(life, answer, done.attempt)
        elif done.malformed:
            failure = _failure(errors.ExecutionFailed, f"the {tier.tier} model gave a malformed output")
            self._lose(life, own_id, failure, now)
        else:
            self._escalate(life, Given(answer=answer, attempt=done.attempt), now)

    def stage_failed(self, failed: events.StageFailed, now: float) -> None:
        """Look for another way after a stage could not be run here."""
        self._queue.ended((failed.request_id, failed.attempt))
        life, _ = self._under_way(failed.request_id, failed.attempt)
        if life is not None:
            life.attempt = None
            failure = Failure(code=failed.code, message=failed.message)
            self._lose(life, self._view.own.profile.node_id, failure, now)

    def peer_answered(self, answered: events.PeerAnswered, now: float) -> None:
        """Accept a peer's answer; a degraded one only if no larger tier can be reached from here either."""
        life, attempt = self._under_way(answered.request_id, answered.attempt)
        if life is None or attempt is None or attempt.candidate.node_id != answered.node_id:
            return
        self._end_attempt_there(life, answered.node_id)
        self._view.radio_used(now)
        transfer_s = life.itinerary.answered_there(answered.answer, elapsed_s=now - attempt.since_s)
        self._learn_from(answered, transfer_s, life.request.batch, now)
        answer = life.itinerary.compose_from(answered.answer, total_s=now - life.arrived_s)
        if answer.degraded:
            self._escalate(life, Given(answer=answer, attempt=answered.attempt), now)
        else:
            self._answer(life, answer, answered.attempt)

    def peer_refused(self, refused: events.PeerRefused, now: float) -> None:
        """Look for another way after a peer ended a request without an answer."""
        life, attempt = self._under_way(refused.request_id, refused.attempt)
        if life is None or attempt is None or attempt.candidate.node_id != refused.node_id:
            return
        self._end_attempt_there(life, refused.node_id)
        self._lose(life, refused.node_id, Failure(code=refused.code, message=refused.message), now)

    def peer_lost(self, node_id: NodeId, reason: str, now: float) -> None:
        """Look for another way for every request that is out at a peer that is gone."""
        failure = _failure(errors.PeerLost, reason)
        for life in list(self._lives.values()):
            if life.state is State.AWAITING and life.attempt and life.attempt.candidate.node_id == node_id:
                self._end_attempt(life)
                self._lose(life, node_id, failure, now)

    def wake(self, now: float) -> None:
        """Look at every request whose timer has come."""
        while self._timers and self._timers[0][0] <= now:
            _, request_id, decision = heappop(self._timers)
            if life := self._lives.get(request_id):
                self._look_at(life, decision, now)

    def _why_not_admit(self, request: Request) -> Failure | None:
        if self._draining:
            return _failure(errors.Draining, "this node is shutting down and takes no new requests")
        if not request.deadline_s > 0.0:  # also true for NaN
            return _failure(errors.DeadlineExceeded, f"the deadline was past on arrival ({request.deadline_s:g} s)")
        own_class = self._view.own.profile.device_class
        if request.delegated and (rule := why_not_send(request.privacy, own_class)):
            return _failure(errors.RefusedByPrivacy, f"{rule}; the sender should never have sent it")
        if len(self._lives) > self._settings.max_requests:
            return _failure(errors.Overloaded, f"{self._settings.max_requests} requests are alive here already")
        return None

    def _choose(self, life: Life, now: float) -> None:
        life.decision += 1
        observation = self._observe(life, now)
        self._story(life).choices.append(Choice(observation=observation))
        if any(observation.mask):
            self._wake_at(now + _POLICY_PATIENCE_S, life)
            self._commands.append(ChoosePlan(observation=observation))
        else:
            self._settle(life, _why_none(observation, life), now)

    def _observe(self, life: Life, now: float) -> Observation:
        above = life.given.answer.tier if life.given else None
        full = not self._queue.can_take(life.request.priority)
        return self._planner.observe(life, above=above, here_is_full=full, now=now)

    def _follow_heuristic(self, life: Life, note: str, now: float) -> None:
        index = self._heuristic.choose(self._story(life).choices[-1].observation)
        self._follow(life, index, self._heuristic.name, note=note, now=now)

    def _follow(self, life: Life, index: int, policy: str, *, now: float, note: str = "") -> None:
        choice = self._story(life).choices[-1]
        choice.index, choice.policy, choice.note = index, policy, note
        candidate = choice.observation.candidates[index]
        life.attempt = Attempt(number=life.decision, candidate=candidate, since_s=now)
        if candidate.here:
            self._queue_here(life, candidate, now)
        else:
            self._dispatch(life, candidate, now)

    def _queue_here(self, life: Life, candidate: Candidate, now: float) -> None:
        life.advance(Step.PLAN_HERE)
        expected_s = candidate.prediction.load_s + candidate.prediction.compute_s
        token = (life.request.request_id, life.decision)
        shed = self._queue.push(token, life.request.priority, life.deadline_s, expected_s)
        if shed and (victim := self._lives.get(shed[0])):
            self._settle(victim, _failure(errors.Overloaded, "shed: more urgent requests filled the queue"), now)

    def _dispatch(self, life: Life, candidate: Candidate, now: float) -> None:
        life.advance(Step.PLAN_THERE)
        own = self._view.own.profile
        self._view.link_to(candidate.node_id).outstanding += 1
        wakes = self._view.radio_wakes(now)
        life.itinerary.joules += own.power.radio_joules(life.request.input_bytes, wakes)
        self._view.radio_used(now)
        self._wake_at(now + self._patience_s(candidate), life)
        remaining_s = life.remaining_s(now)
        self._commands.append(
            Dispatch(
                request_id=life.request.request_id,
                attempt=life.decision,
                node_id=candidate.node_id,
                start_tier=candidate.tier.tier,
                deadline_s=remaining_s - _margin_s(remaining_s),
                via=(*life.request.via, own.node_id),
            )
        )

    def _patience_s(self, candidate: Candidate) -> float:
        expected = candidate.prediction
        wait_s = self._settings.patience_factor * expected.total_s + 3.0 * expected.deviation_s
        return max(wait_s, self._settings.patience_floor_s)

    def _compose(self, life: Life, tier: HostedTier, done: events.StageFinished, now: float) -> Answer:
        own = self._view.own.profile
        hop = Hop(
            node_id=own.node_id,
            node=own.name,
            tier=tier.tier,
            variant=tier.variant,
            compute_s=done.compute_s,
            score=done.score,
            anomalous=done.anomalous,
        )
        life.itinerary.ran_here(hop, joules=own.power.compute_joules(tier.macs * life.request.batch))
        return life.itinerary.compose(tier, total_s=now - life.arrived_s)

    def _learn_from(self, answered: events.PeerAnswered, transfer_s: float, batch: int, now: float) -> None:
        self._view.link_to(answered.node_id).measured(answered.transferred_bytes, transfer_s, now)
        route = answered.answer.route
        for position, hop in enumerate(route):
            if hosted := self._view.hosted_at(hop, answered.answer.model):
                self._view.learn_compute(hop.node_id, hosted, hop.compute_s / batch, now)
                escalated = position < len(route) - 1 or answered.answer.degraded
                self._view.learn_escalation(hosted, escalated=escalated, now=now)

    def _escalate(self, life: Life, given: Given, now: float) -> None:
        life.given = given
        life.advance(Step.ESCALATE)
        self._choose(life, now)

    def _lose(self, life: Life, node_id: NodeId, failure: Failure, now: float) -> None:
        """Note that an attempt came to nothing, and choose again unless that is pointless."""
        life.shunned[node_id] = failure.message
        life.deaths += failure.code in {errors.ExecutionFailed.code, errors.PeerLost.code}
        life.last_failure = failure
        if failure.code in _FINAL or life.deaths >= _DEATHS_TOO_MANY:
            self._settle(life, failure, now)
            return
        life.advance(Step.LOSE)
        self._choose(life, now)

    def _answer(self, life: Life, answer: Answer, attempt: int) -> None:
        life.advance(Step.ANSWER)
        self._finish(life, answer, attempt)

    def _fail(self, life: Life, failure: Failure) -> None:
        self._end_attempt(life)
        life.advance(Step.FAIL)
        self._finish(life, failure, None)

    def _settle(self, life: Life, failure: Failure, now: float) -> None:
        """End a request that can get no further: with its smaller answer, marked degraded, or with the failure."""
        if life.given is None:
            self._fail(life, failure)
            return
        self._end_attempt(life)
        answer = life.given.answer
        timings = replace(answer.timings, total_s=now - life.arrived_s)
        energy = replace(answer.energy, joules=life.itinerary.joules)
        self._answer(life, replace(answer, degraded=True, timings=timings, energy=energy), life.given.attempt)

    def _finish(self, life: Life, outcome: Outcome, attempt: int | None) -> None:
        request_id = life.request.request_id
        del self._lives[request_id]
        self._story(life).outcome = outcome
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

    def _under_way(self, request_id: RequestId, attempt: int) -> tuple[Life | None, Attempt | None]:
        life = self._lives.get(request_id)
        current = life.current(attempt) if life else None
        return (life, current) if current else (None, None)

    def _wake_at(self, at_s: float, life: Life) -> None:
        heappush(self._timers, (at_s, life.request.request_id, life.decision))
        if len(self._timers) > _TIMERS_PER_LIFE * (len(self._lives) + 4):
            self._timers = [timer for timer in self._timers if timer[1] in self._lives]
            heapify(self._timers)

    def _look_at(self, life: Life, decision: int, now: float) -> None:
        """See whether a request has waited too long: for its deadline, its policy or its peer."""
        margin_s = _margin_s(life.request.deadline_s)
        if now >= life.deadline_s or (life.given and now >= life.deadline_s - margin_s):
            late = f"no answer within {life.request.deadline_s:g} s"
            if life.last_failure:
                late += f"; before that: {life.last_failure.message}"
            self._settle(life, _failure(errors.DeadlineExceeded, late), now)
        elif decision == life.decision and life.state is State.CHOOSING:
            self._follow_heuristic(life, "the policy did not answer in time", now)
        elif decision == life.decision and life.state is State.AWAITING:
            self._lose_patience(life, now)

    def _lose_patience(self, life: Life, now: float) -> None:
        """Try elsewhere if there is an elsewhere; a slow peer is better than none."""
        assert life.attempt is not None, "an awaiting request has an attempt"
        attempt = life.attempt
        if now < attempt.since_s + self._patience_s(attempt.candidate):
            return
        node_id = attempt.candidate.node_id
        life.shunned[node_id] = f"no answer within {(now - attempt.since_s) * 1e3:.0f} ms"
        if any(self._observe(life, now).mask):
            self._end_attempt(life)
            life.advance(Step.LOSE)
            self._choose(life, now)
        else:
            del life.shunned[node_id]

    def _story(self, life: Life) -> Explanation:
        story = self.explanations.get(life.request.request_id)
        return story if story is not None else self.explanations.begin(life.request)


def _margin_s(deadline_s: float) -> float:
    return min(_MARGIN * deadline_s, _MARGIN_MOST_S)


def _failure(error: type[errors.MeshError], message: str) -> Failure:
    return Failure(code=error.code, message=message)


def _why_none(observation: Observation, life: Life) -> Failure:
    """Return what to tell the asker when every candidate is masked."""
    if life.last_failure:
        return life.last_failure
    model = life.request.model
    if not observation.candidates:
        return _failure(errors.UnknownModel, f"no node of the mesh hosts a model {model!r}; `meshd models` lists all")
    told = "; ".join(f"{c.label}: {c.reason.sentence}" for c in observation.candidates if c.reason)
    masks = {c.reason.mask for c in observation.candidates if c.reason}
    if Mask.PRIVACY in masks and masks <= {Mask.PRIVACY, Mask.TOO_WEAK}:
        return _failure(errors.RefusedByPrivacy, f"{model}: {told}")
    if Mask.QUEUE_FULL in masks:
        return _failure(errors.Overloaded, f"{model}: {told}")
    return _failure(errors.NoCandidate, f"{model}: nothing may run it now. {told}")
