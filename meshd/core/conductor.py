"""Leads every request from its arrival to its one outcome.

Rules of this file and of those that it is made of (chooser, attempts, forks, reports, endings):

- an admitted request ends by its deadline at the latest, a smaller answer before no answer;
- a delegated request is run here or refused; only what it turns out to need beyond that is looked for elsewhere;
- ``Life.attempt`` is set while something is under way for a request and at no other time, so whatever ends an
  attempt clears it first;
- a child ends before its parent, and what a parent is told of its children it is told after the event is taken in;
- a report about anything but the current attempt of a live request changes no request.
"""

from __future__ import annotations

from meshd import errors
from meshd.core import events
from meshd.core.admission import room_for, why_not_admit
from meshd.core.answer import Failure
from meshd.core.attempts import Attempts
from meshd.core.books import Books
from meshd.core.candidate import NOT_PRICED, WAIT, Candidate
from meshd.core.chooser import Chooser
from meshd.core.commands import Command, RunBatch
from meshd.core.endings import Endings
from meshd.core.handover import predicted_here, tier_of, why_not_continue
from meshd.core.ids import NodeId, RequestId
from meshd.core.itinerary import Itinerary
from meshd.core.life import Life, Reached, State, Step
from meshd.core.mesh_view import MeshView
from meshd.core.patience import end_s
from meshd.core.plan import Partial
from meshd.core.refusal import failure, too_late
from meshd.core.reports import Reports
from meshd.core.request import Request
from meshd.core.run_queue import RunQueue
from meshd.core.settings import Settings
from meshd.core.waits import TIME_IS_OVER

_DEFECT = "this node met a defect of its own while it dealt with the request; its log tells more"


class Conductor:
    """Holds the live requests; appends what is to be done to the list of commands it was given."""

    def __init__(self, view: MeshView, settings: Settings, queue: RunQueue, commands: list[Command]) -> None:
        books = Books(view, settings, queue, commands)
        self.explanations = books.explanations
        self._view = view
        self._settings = settings
        self._queue = queue
        self._commands = commands
        self._lives = books.lives
        self.timers = books.timers
        self._books = books
        self._numbers = books.numbers
        self._attempts = Attempts(books)
        self._endings = Endings(books, self._attempts)
        self._chooser = Chooser(books, self._attempts, self._endings)
        self.reports = Reports(books, self._attempts, self._chooser, self._endings)

    @property
    def alive(self) -> int:
        """Return how many requests have no outcome yet, children included."""
        return len(self._lives)

    def drain(self) -> None:
        """Take no new requests; those alive go on, and none waits for a better moment any more."""
        self._books.is_draining = True

    def arrive(self, request: Request, now: float) -> None:
        """Admit a request and look for a plan, or refuse it with the reason."""
        assert request.request_id not in self._lives, "the daemon joins requests of the same id"
        room = room_for(request, self._settings, alive=len(self._lives))
        refusal = why_not_admit(
            request, self._view.own.profile.device_class, draining=self._books.is_draining, room=room
        )
        story = self.explanations.begin(request)
        only_tier = None if request.may_climb else request.start_tier
        life = Life(request=request, arrived_s=now, itinerary=Itinerary(), story=story, only_tier=only_tier)
        self._keep_company(life)
        self._lives[request.request_id] = life
        if refusal := refusal or (self._why_not_continue(request, request.partial) if request.partial else None):
            self._endings.fail(life, refusal, now)
            return
        life.advance(Step.ADMIT)
        self._view.arrivals.happened(now)
        if request.delegated:
            self._attempts.use_radio(life, request.link_bytes or request.input_bytes, now)
        if request.partial is None:
            self._chooser.choose(life, now)
        else:
            self._continue(life, now)

    def cancel(self, request_id: RequestId, now: float) -> None:
        """End a request that nobody waits for any more."""
        if life := self._lives.get(request_id):
            self._endings.fail(life, failure(errors.Cancelled, "the asker withdrew the request"), now)

    def give_up(self, request_id: RequestId | None, now: float) -> None:
        """End the request at which a defect was met: the one that was looked at, or else the one of the event."""
        met_at, self._books.at = self._books.at or request_id, None
        if met_at is not None and (life := self._lives.get(met_at)):
            self._endings.settle(life, failure(errors.InternalError, _DEFECT), now)

    def command_failed(self, failed: events.CommandFailed, now: float) -> None:
        """End the request of a command that could not be performed; nobody will report the end of its stage."""
        if failed.attempt is not None:
            self._queue.ended((failed.request_id, failed.attempt))
        self.give_up(failed.request_id, now)

    def plan(self, chosen: events.PlanChosen, now: float) -> None:
        """Follow the policy if its answer is fresh and allowed; the heuristic otherwise."""
        life = self._lives.get(chosen.request_id)
        if life is None or life.state is not State.CHOOSING or life.decision != chosen.decision or life.choice is None:
            return
        candidates = life.choice.observation.candidates
        if now >= end_s(life):
            self._endings.settle(life, too_late(life), now)
        elif chosen.index == WAIT and life.choice.observation.wait_s is not None:
            self._chooser.wait(life, life.choice.observation.wait_s, chosen, now)
        elif 0 <= chosen.index < len(candidates) and candidates[chosen.index].allowed:
            if chosen.is_steady:
                self._chooser.settle(life, chosen.index, chosen.policy, note=chosen.note)
            self._chooser.follow(life, chosen.index, chosen.policy, now=now, note=chosen.note)
        else:
            self._chooser.follow_heuristic(life, f"{chosen.policy} chose {chosen.index}, which is not allowed", now)

    def go_on(self, now: float) -> None:
        """Let go on what has waited for what happened, tell parents of their children, then give out free slots.

        Several stages that wait for one model get a slot together.
        """
        if ended_by := self._chooser.waits.ended_by():
            self._release(ended_by, now)
        if self._endings.of_children:
            self.reports.tell_parents(now)
        while tokens := self._queue.start(now):
            lives = [self._lives[request_id] for request_id, _ in tokens]
            self._books.at = tokens[0][0]
            runs = [self._attempts.started(life, now) for life in lives]
            self._books.at = None
            self._commands.append(runs[0] if len(runs) == 1 else RunBatch(members=tokens, tier=runs[0].tier))
            for life in lives:
                if life.choice is not None:
                    life.choice.together = len(lives)

    def wake(self, now: float) -> None:
        """Look at every request whose timer has come."""
        for life in self.timers.due(now):
            self._books.at = life.request.request_id
            self._look_at(life, now)
            if life.request.request_id in self._lives:
                self._chooser.watch(life)
        self._books.at = None

    def _release(self, ended_by: str, now: float) -> None:
        for life in tuple(self._books.waiting.values()):
            self._books.at = life.request.request_id
            self._chooser.release(life, ended_by, now)
        self._books.at = None

    def _why_not_continue(self, request: Request, rest: Partial) -> Failure | None:
        keeps_input = self._view.hosting.keeps_input(request.model)
        return why_not_continue(request, rest, self._view.own.profile, keeps_input=keeps_input)

    def _keep_company(self, life: Life) -> None:
        """Note that requests are under way together; of several that are, none is alone any more."""
        if self._lives:
            life.is_alone = False
            if len(self._lives) == 1:
                next(iter(self._lives.values())).is_alone = False

    def _continue(self, life: Life, now: float) -> None:
        """Run the leg of a plan that a peer made; the policy is asked only if that comes to nothing."""
        own, partial = self._view.own.profile, life.request.partial
        assert partial is not None, "only the rest of a plan is gone on with"
        tier, first = tier_of(life.request, partial, own), partial.legs[0].first
        assert tier is not None, "it was let in because it is here"
        life.reached = Reached(tier=tier, stage=first, attempt=None, n_bytes=life.request.input_bytes)
        life.decision = next(self._numbers)
        legs = predicted_here(
            partial.legs, tier, self._view, items=life.request.batch, n_bytes=life.request.input_bytes
        )
        candidate = Candidate(
            node_id=own.node_id, node=own.name, here=True, tier=tier, prediction=NOT_PRICED, legs=legs
        )
        self._chooser.begin(life, candidate, life.decision, now)
        if life.request.request_id in self._lives:
            self._chooser.watch(life)

    def _look_at(self, life: Life, now: float) -> None:
        """See whether a request has waited too long: for its deadline, its policy or its peers."""
        if now >= end_s(life):
            self._endings.settle(life, too_late(life), now)
        elif now >= life.look_s and life.state is State.CHOOSING:
            self._chooser.follow_heuristic(life, "the policy did not answer in time", now)
        elif now >= life.look_s and life.state is State.WAITING:
            self._chooser.release(life, TIME_IS_OVER, now)
        elif now >= life.look_s:
            self._lose_patience(life, now)

    def _lose_patience(self, life: Life, now: float) -> None:
        """Try elsewhere if there is an elsewhere; a slow peer is better than none, for as long again.

        A peer that asked us is told at once what we have: it may know an elsewhere that we do not.
        """
        peers = self._keep_waiting(life)
        attempt = life.attempt
        assert attempt is not None, "what is waited for is an attempt"
        waited_s = now - attempt.since_s
        if attempt.there is not None:
            self._view.learn_overdue(attempt.there, attempt.link_bytes, waited_s - attempt.work_there_s, now)
        shunned, why = life.shunned, f"no answer within {waited_s * 1e3:.0f} ms"
        life.shunned = shunned | dict.fromkeys(peers, why)
        if peers and self._chooser.observe(life, now).offers_any:
            self._endings.call_back(life, now)
            life.advance(Step.LOSE)
            self._chooser.choose(life, now)
        elif peers and life.request.delegated and life.given is not None:
            self._endings.settle(life, failure(errors.PeerLost, why), now)
        else:
            life.shunned = shunned
            life.look_s = now + max(waited_s, self._settings.patience_floor_s)

    def _keep_waiting(self, life: Life) -> set[NodeId]:
        """Return the peers that let a request wait; none of them while something runs here for it."""
        assert life.attempt is not None, "what is waited for is an attempt"
        out = [life.attempt]
        if life.fork is not None and life.state is State.FORKED:
            alive = [self._lives[name] for name in life.fork.children if name in self._lives]
            out = [child.attempt for child in alive if child.attempt is not None]
        peers = [attempt.there for attempt in out]
        return {peer for peer in peers if peer is not None} if all(peers) else set()
