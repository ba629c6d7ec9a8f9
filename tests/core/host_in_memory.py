"""One device in a mesh in memory: its scheduler, and what a daemon keeps and does around it.

Rules of this file:

- what reaches the scheduler is recorded as a journal, with what it commanded;
- a command may name tensors by the number of an attempt only if that attempt gave some: an assertion fails otherwise;
- a frozen device takes in nothing until it thaws, and then all that was sent to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, msgpack
from msgspec.structs import replace

from meshd.core import commands, events, journal
from meshd.core.answer import Answer, Failure, Outcome
from meshd.core.candidate import Observation
from meshd.core.ids import NodeId, RequestId
from meshd.core.membership import Standing
from meshd.core.node import HostedTier, NodeProfile, Way
from meshd.core.request import Request
from meshd.core.run_queue import Token
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from meshd.errors import DuplicateRequest, PeerLost
from tests.core.builders import CALM, warm

RESULT_BYTES = 100


class Verdict(Struct, frozen=True, kw_only=True):
    """What comes of running a stage."""

    score: float | None = CALM
    malformed: bool = False
    error: str | None = None


Opinion = Callable[[RequestId, HostedTier], Verdict]


class Outside(Protocol):
    """The world as a device sees it."""

    now: float
    further_item: float

    def later(self, delay_s: float, host: Host, call: Callable[[Host], None]) -> None:
        """Do something to a device, unless it has been killed meanwhile."""
        ...

    def over_link(
        self, sender: NodeId, receiver: NodeId, n_bytes: float, call: Callable[[Host], None], *, codec_s: float = 0.0
    ) -> bool:
        """Do something at the other end of a session, unless the session ends first; False without one."""
        ...

    def neighbours(self, node_id: NodeId) -> list[NodeId]:
        """Return who is in session with a device."""
        ...

    def round_trip_s(self, a: NodeId, b: NodeId) -> float:
        """Return how long a word there and back takes."""
        ...

    def opinion(self, request_id: RequestId, tier: HostedTier) -> Verdict:
        """Return what comes of running a stage."""
        ...

    def choose(self, observation: Observation) -> int | None:
        """Return what the policy says, if anything."""
        ...

    def finished(self, host: Host, request: Request, command: commands.Finish) -> None:
        """Note how a request ended."""
        ...

    def dispatching(self, host: Host, command: commands.Dispatch, request: Request) -> None:
        """Note what is sent."""
        ...

    def standing_changed(self, host: Host, peer: NodeId, standing: Standing) -> None:
        """Note what a device believes of another."""
        ...


class Host:
    """One device; see the module's rules."""

    def __init__(self, outside: Outside, profile: NodeProfile, settings: Settings) -> None:
        self.profile = profile
        self.scheduler = Scheduler(profile, settings, outside.now)
        self.lines = [journal.encode(journal.Opening(profile=profile, settings=settings, now=outside.now))]
        self.told: list[bytes] = []
        self.is_stalled = False
        self.running: dict[Token, int] = {}
        """Stages that run, with the number of the slot's use."""
        self._outside = outside
        self._inbox: deque[events.Event] = deque()
        self._requests: dict[RequestId, Request] = {}
        self._askers: dict[RequestId, set[NodeId | None]] = {}
        self._out_at: dict[tuple[RequestId, NodeId], commands.Dispatch] = {}
        self._tensors: dict[RequestId, dict[int, int]] = {}
        """Bytes of what each attempt gave."""
        self._children: dict[RequestId, RequestId] = {}
        """Parents of the children whose answers may still be wanted."""
        self._uses = 0
        self._is_pumping = False
        self._tick_s = float("inf")

    # -- what is told to a device ------------------------------------------------------------------------------------

    @property
    def node_id(self) -> NodeId:
        """Return who this is."""
        return self.profile.node_id

    @property
    def running_requests(self) -> set[RequestId]:
        """Requests whose stages hold a slot."""
        return {request_id for request_id, _ in self.running}

    @property
    def keeps_nothing(self) -> bool:
        """Tell whether a daemon would hold no request, tensor or asker any more."""
        return not (self._requests or self._askers or self._out_at or self._tensors or self._children)

    def warm_up(self) -> None:
        """Have all models loaded, and let the first second begin."""
        state = warm(self.profile)
        self.feed(events.HostChanged(warm=state.warm, battery_fraction=None, charging=False, free_memory_bytes=None))

    def thaw(self) -> None:
        """Go on after a freeze."""
        self.is_stalled = False
        self._inbox.append(events.TimePassed())
        self._pump()

    def feed(self, event: events.Event) -> None:
        """Let something happen."""
        self._inbox.append(event)
        self._pump()

    def arrive(self, request: Request, asker: NodeId | None) -> None:
        """Take in a request; one of the same id is joined if it asks the same, and refused if not."""
        known = self._requests.get(request.request_id)
        if known is None:
            self._requests[request.request_id] = request
            self._askers[request.request_id] = {asker}
            self.feed(events.RequestArrived(request=request))
        elif known.partial == request.partial and request.request_id in self._askers:
            self._askers[request.request_id].add(asker)
        elif asker is not None:
            refusal = Failure(code=DuplicateRequest.code, message="another request has this id")
            self._reply(asker, request.request_id, refusal)

    def withdraw(self, request_id: RequestId, asker: NodeId | None) -> None:
        """Answer somebody no more."""
        askers = self._askers.get(request_id, set())
        if asker in askers:
            askers.discard(asker)
            if not askers:
                self.feed(events.RequestCancelled(request_id=request_id))

    def session_ended(self, gone: events.PeerDisconnected) -> None:
        """Drop what only a peer that is gone waited for."""
        for request_id in list(self._askers):
            self.withdraw(request_id, asker=gone.node_id)
        self.feed(gone)

    def hear(self, request_id: RequestId, peer: Host, outcome: Outcome) -> None:
        """Take in how a peer ended what was dispatched to it; nothing if it was called back."""
        sent = self._out_at.pop((request_id, peer.node_id), None)
        if sent is None:
            return
        if isinstance(outcome, Answer):
            self._tensors.setdefault(request_id, {})[sent.attempt] = RESULT_BYTES
            n_bytes = int(self._bytes_of(sent) * self._way_of(sent).ratio)
            self.feed(
                events.PeerAnswered(
                    request_id=request_id,
                    attempt=sent.attempt,
                    node_id=peer.node_id,
                    answer=outcome,
                    transferred_bytes=n_bytes + RESULT_BYTES,
                    telemetry=peer.scheduler.telemetry(),
                    sent_bytes=n_bytes,
                    codec_s=self._way_of(sent).seconds / 2,
                    codec=sent.codec,
                )
            )
        else:
            self._refused(sent, outcome)

    # -- the pump ----------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        if self._is_pumping or self.is_stalled:
            return
        self._is_pumping = True
        while self._inbox:
            event = self._inbox.popleft()
            self.lines.append(journal.encode(journal.Entry(now=self._outside.now, event=event)))
            told = self.scheduler.handle(event, self._outside.now)
            self.told.append(msgpack.encode(told))
            for command in told:
                self._perform(command)
        self._is_pumping = False
        self._set_timer()

    def _set_timer(self) -> None:
        due_s = self.scheduler.next_deadline()
        if due_s < self._tick_s:
            self._tick_s = due_s
            self._outside.later(max(0.0, due_s - self._outside.now), self, Host._tick)

    def _tick(self) -> None:
        self._tick_s = float("inf")
        if not self.is_stalled:
            self.feed(events.TimePassed())

    def _perform(self, command: commands.Command) -> None:  # noqa: C901 - one case per command is the table
        match command:
            case commands.ChoosePlan():
                self._plan(command.observation)
            case commands.RunStage():
                self._run_stage(command)
            case commands.RunBatch():
                self._run_batch(command)
            case commands.Fork():
                self._fork(command)
            case commands.Dispatch():
                self._dispatch(command)
            case commands.Recall():
                self._recall(command)
            case commands.Finish():
                self._finish(command)
            case commands.Announce():
                self._announce(command)
            case commands.StandingChanged():
                self._outside.standing_changed(self, command.node_id, command.standing)
            case commands.WarmUp():
                self.feed(events.WarmedUp(tier=command.tier, load_s=command.tier.load_s))
                self.warm_up()
            case commands.DropStage():
                pass  # A stage cannot be stopped; its end is reported all the same.

    def _plan(self, observation: Observation) -> None:
        index = self._outside.choose(observation)
        if index is not None:
            plan = events.PlanChosen(
                request_id=observation.request_id, decision=observation.decision, index=index, policy="world"
            )
            self.feed(plan)

    # -- stages ------------------------------------------------------------------------------------------------------

    def _run_stage(self, command: commands.RunStage) -> None:
        request, tier = self._requests[command.request_id], command.tier
        if command.first > 0:
            self._bytes_behind(request, command.of)
        is_last = command.last is None or command.last == len(tier.stages)
        seconds = tier.compute_s
        if command.last is not None:
            seconds = sum(stage.compute_s for stage in tier.stages[command.first : command.last])
        out_bytes = 0 if is_last or command.last is None else tier.stages[command.last - 1].out_bytes * request.batch
        verdict = self._outside.opinion(command.request_id, tier)
        if not is_last:
            verdict = replace(verdict, score=None)
        key = (command.request_id, command.attempt)
        self._run({key: (verdict, out_bytes or RESULT_BYTES)}, seconds * request.batch, request.batch, is_last=is_last)

    def _run_batch(self, command: commands.RunBatch) -> None:
        items = sum(self._requests[name].batch for name, _ in command.members)
        assert items <= command.tier.max_items, "more items than the model takes"
        verdicts = {key: (self._outside.opinion(key[0], command.tier), RESULT_BYTES) for key in command.members}
        seconds = command.tier.compute_s * (1.0 + self._outside.further_item * (items - 1))
        self._run(verdicts, seconds, items, is_last=True)

    def _run(self, verdicts: dict[Token, tuple[Verdict, int]], seconds: float, items: int, *, is_last: bool) -> None:
        self._uses += 1
        self.running |= dict.fromkeys(verdicts, self._uses)
        assert len(set(self.running.values())) <= self.profile.slots, "more runs than the node has slots"

        def ended(host: Host) -> None:
            for key, (verdict, out_bytes) in verdicts.items():
                del host.running[key]
                host._stage_ended(key, verdict, seconds, items, out_bytes, is_last=is_last)

        self._outside.later(seconds, self, ended)

    def _stage_ended(
        self, key: Token, verdict: Verdict, seconds: float, items: int, out_bytes: int, *, is_last: bool
    ) -> None:
        request_id, attempt = key
        if verdict.error is not None:
            failed = events.StageFailed(request_id=request_id, attempt=attempt, code=verdict.error, message="it broke")
            self.feed(failed)
            return
        if not verdict.malformed and request_id in self._requests:
            self._tensors.setdefault(request_id, {})[attempt] = out_bytes
        self.feed(
            events.StageFinished(
                request_id=request_id,
                attempt=attempt,
                compute_s=seconds,
                load_s=0.0,
                items=items,
                score=verdict.score,
                anomalous=None,
                malformed=verdict.malformed,
                out_bytes=0 if is_last else out_bytes,
            )
        )

    def _bytes_behind(self, request: Request, of: int | None) -> int:
        """Return the bytes of what crosses before some stage; they must be here."""
        if of is not None:
            return self._tensors[request.request_id][of]
        assert request.partial is not None, "only what a peer sent begins behind the first stage"
        return request.input_bytes

    # -- peers -------------------------------------------------------------------------------------------------------

    def _dispatch(self, command: commands.Dispatch) -> None:
        request = self._requests[command.request_id]
        self._outside.dispatching(self, command, request)
        self._out_at[command.request_id, command.node_id] = command
        sent = replace(
            request,
            deadline_s=command.deadline_s,
            start_tier=command.start_tier,
            via=command.via,
            may_climb=command.may_climb,
            partial=command.partial,
            input_bytes=self._bytes_of(command),
            plan="",
        )
        way = self._way_of(command)
        is_open = self._outside.over_link(
            self.node_id,
            command.node_id,
            sent.input_bytes * way.ratio,
            lambda there: there.arrive(sent, asker=self.node_id),
            codec_s=way.seconds,
        )
        if not is_open:
            del self._out_at[command.request_id, command.node_id]
            self._refused(command, Failure(code=PeerLost.code, message="there is no open session to it"))

    def _bytes_of(self, command: commands.Dispatch) -> int:
        request = self._requests[command.request_id]
        return request.input_bytes if command.partial is None else self._bytes_behind(request, command.of)

    def _way_of(self, command: commands.Dispatch) -> Way:
        """Return how what is sent is encoded, as the tier that is hosted here or was asked for says it."""
        request, stage = self._requests[command.request_id], 0
        if command.partial is not None:
            stage = command.partial.legs[0].first
        tiers = [hosted for hosted in self.profile.hosted if hosted.model == request.model]
        ways = [way for hosted in tiers for way in (hosted.stages[stage - 1].ways if stage else hosted.ways)]
        return next((way for way in ways if way.codec == command.codec), Way(codec=command.codec, ratio=1.0))

    def _refused(self, sent: commands.Dispatch, why: Failure) -> None:
        self.feed(
            events.PeerRefused(
                request_id=sent.request_id,
                attempt=sent.attempt,
                node_id=sent.node_id,
                code=why.code,
                message=why.message,
                telemetry=None,
            )
        )

    def _recall(self, command: commands.Recall) -> None:
        self._out_at.pop((command.request_id, command.node_id), None)
        self._outside.over_link(
            self.node_id, command.node_id, 0, lambda there: there.withdraw(command.request_id, asker=self.node_id)
        )

    def _announce(self, command: commands.Announce) -> None:
        for other in self._outside.neighbours(self.node_id):
            rtt_s = self._outside.round_trip_s(self.node_id, other)
            heard = events.PeerHeard(node_id=self.node_id, telemetry=command.telemetry, rtt_s=rtt_s)
            self._outside.over_link(self.node_id, other, 0, lambda there, heard=heard: there.feed(heard))  # type: ignore[misc]

    def _reply(self, asker: NodeId, request_id: RequestId, outcome: Outcome) -> None:
        self._outside.over_link(self.node_id, asker, RESULT_BYTES, lambda there: there.hear(request_id, self, outcome))

    # -- ends --------------------------------------------------------------------------------------------------------

    def _fork(self, command: commands.Fork) -> None:
        parent = self._requests[command.request_id]
        assert not command.items or sum(command.items) == parent.batch, "the shares are not the batch"
        for position, child in enumerate(command.children):
            batch = command.items[position] if command.items else parent.batch
            part = replace(
                parent, request_id=child, batch=batch, input_bytes=parent.input_bytes * batch // parent.batch
            )
            self._requests[child] = part
            self._children[child] = command.request_id

    def _finish(self, command: commands.Finish) -> None:
        name = command.request_id
        request = self._requests.pop(name)
        if isinstance(command.outcome, Answer):
            self._tensors_of(command)
        if name in self._children:
            self._outside.finished(self, request, command)
            return
        for child in [child for child, parent in self._children.items() if parent == name]:
            assert child not in self._requests, "a child outlives its parent"
            del self._children[child]
            self._tensors.pop(child, None)
        self._tensors.pop(name, None)
        self._outside.finished(self, request, command)
        for peer in sorted(asker for asker in self._askers.pop(name) if asker is not None):
            self._reply(peer, name, command.outcome)

    def _tensors_of(self, command: commands.Finish) -> None:
        """Look whether the tensors of an answer are here: those of its attempt, of one child, or of all of them."""
        name = command.request_id
        assert command.attempt is not None, "an answer comes from an attempt"
        if command.child is not None:
            assert self._tensors[command.child]
        elif command.attempt not in self._tensors.get(name, {}):
            children = [child for child, parent in self._children.items() if parent == name]
            assert children, "an answer without tensors"
            assert all(self._tensors[child] for child in children)
