"""A mesh in virtual time: real schedulers, and a world around them that takes exactly as long as it is told.

Rules of this file:

- nothing happens but by ``_at``: a heap of (time, call), so that a run is the same every time;
- a killed node forgets everything and its sessions end on both sides; a stalled one hears and says nothing until it
  resumes, and then finds all that was sent to it; a returned one has the same identity and a higher incarnation;
- what reaches a scheduler is recorded as a journal, and ``replays`` tells whether it leads to the same commands again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count

from msgspec import Struct, msgpack
from msgspec.structs import replace

from meshd.core import commands, events, journal
from meshd.core.answer import Answer, Failure, Outcome
from meshd.core.candidate import Observation
from meshd.core.ids import NodeId, RequestId
from meshd.core.membership import Standing
from meshd.core.node import HostedTier, NodeProfile
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Request
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from meshd.errors import PeerLost
from tests.core.builders import CALM, warm

Choose = Callable[[Observation], int | None]
"""A policy that may also say nothing."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What comes of running a stage."""

    score: float | None = CALM
    malformed: bool = False
    error: str | None = None


Opinion = Callable[[RequestId, HostedTier], Verdict]


class Ended(Struct, frozen=True, kw_only=True):
    """One Finish, as seen by the client that asked."""

    at_s: float
    node_id: NodeId
    request_id: RequestId
    outcome: Outcome


class Stall(Struct, kw_only=True):
    """A node was frozen in [since_s, until_s)."""

    node_id: NodeId
    since_s: float
    until_s: float = float("inf")


@dataclass
class Host:
    """One device: its scheduler and what a daemon would keep around it."""

    profile: NodeProfile
    scheduler: Scheduler
    lines: list[bytes]
    life: int
    """Tells what was meant for an earlier life of the node from what is meant for this one."""
    told: list[bytes] = field(default_factory=list)
    inbox: deque[events.Event] = field(default_factory=deque)
    requests: dict[RequestId, Request] = field(default_factory=dict)
    askers: dict[RequestId, set[NodeId | None]] = field(default_factory=dict)
    out_at: dict[tuple[RequestId, NodeId], int] = field(default_factory=dict)
    running: set[tuple[RequestId, int]] = field(default_factory=set)
    is_stalled: bool = False
    is_pumping: bool = False
    tick_s: float = float("inf")

    @property
    def running_requests(self) -> set[RequestId]:
        """Requests whose stages hold a slot."""
        return {request_id for request_id, _ in self.running}


class World:
    """Several nodes, fully meshed; see the module's rules."""

    def __init__(
        self,
        *profiles: NodeProfile,
        settings: Settings | None = None,
        opinion: Opinion = lambda _request, _tier: Verdict(),
        choose: Choose = LeastExpectedCost().choose,
        link_s: float = 0.005,
    ) -> None:
        self.now = 0.0
        self.hosts: dict[NodeId, Host] = {}
        self.ended: list[Ended] = []
        self.standings: list[tuple[float, NodeId, NodeId, Standing]] = []
        self.stalls: list[Stall] = []
        self.dispatched: list[tuple[NodeId, commands.Dispatch, Request]] = []
        self._settings = settings or Settings()
        self._opinion = opinion
        self._choose = choose
        self._link_s = link_s
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._sessions: dict[frozenset[NodeId], int] = {}
        self._past: list[Host] = []
        for profile in profiles:
            self.start(profile)

    # -- what a test does --------------------------------------------------------------------------------------------

    def start(self, profile: NodeProfile) -> None:
        """Start a node and open its sessions; it has its models loaded."""
        opening = journal.Opening(profile=profile, settings=self._settings, now=self.now)
        made = Scheduler(profile, self._settings, self.now)
        host = Host(profile=profile, scheduler=made, lines=[journal.encode(opening)], life=next(self._numbers))
        self.hosts[profile.node_id] = host
        state = warm(profile)
        sampled = events.HostChanged(warm=state.warm, battery_fraction=None, charging=False, free_memory_bytes=None)
        self._feed(host, sampled)
        for other in [name for name in self.hosts if name != profile.node_id]:
            self.connect(profile.node_id, other)

    def connect(self, a: NodeId, b: NodeId) -> None:
        """Open a session; both sides learn of it one way later."""
        self._sessions[frozenset((a, b))] = next(self._numbers)
        for me, other in ((a, b), (b, a)):
            made = self.hosts[other].scheduler
            self._send(other, me, events.PeerConnected(profile=made.profile, telemetry=made.telemetry()))

    def disconnect(self, a: NodeId, b: NodeId, *, left: bool = False) -> None:
        """End a session on both sides; what is under way on it is lost."""
        if self._sessions.pop(frozenset((a, b)), None) is None:
            return
        for me, other in ((a, b), (b, a)):
            if me in self.hosts:
                gone = events.PeerDisconnected(node_id=other, left=left, reason="the test closed it")
                self._later(self._link_s, self.hosts[me], partial(self._session_ended, gone=gone))

    def kill(self, node_id: NodeId) -> NodeProfile:
        """End a node at once, with all it knew; return the profile it comes back with."""
        host = self.hosts.pop(node_id)
        self._past.append(host)
        self._stall_ends(node_id)
        for other in list(self.hosts):
            self.disconnect(node_id, other)
        return replace(host.profile, incarnation=host.profile.incarnation + 1)

    def stall(self, node_id: NodeId) -> None:
        """Freeze a node, as SIGSTOP or deep sleep would."""
        self.hosts[node_id].is_stalled = True
        self.stalls.append(Stall(node_id=node_id, since_s=self.now))

    def resume(self, node_id: NodeId) -> None:
        """Let a frozen node go on; all that was sent to it meanwhile comes first."""
        host = self.hosts[node_id]
        host.is_stalled = False
        self._stall_ends(node_id)
        host.inbox.append(events.TimePassed())
        self._pump(host)

    def submit(self, node_id: NodeId, request: Request) -> None:
        """Ask as a client of that node."""
        self._arrive(self.hosts[node_id], request, asker=None)

    def tell(self, node_id: NodeId, event: events.Event) -> None:
        """Let something happen on a node."""
        self._feed(self.hosts[node_id], event)

    def stalled_at(self, at_s: float) -> set[NodeId]:
        """Return who was frozen at a time."""
        return {stall.node_id for stall in self.stalls if stall.since_s <= at_s < stall.until_s}

    def cancel(self, node_id: NodeId, request_id: RequestId) -> None:
        """Withdraw as a client of that node."""
        self._withdraw(self.hosts[node_id], request_id, asker=None)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until_s = self.now + seconds
        while self._calls and self._calls[0][0] <= until_s:
            self.now, _, call = heappop(self._calls)
            call()
        self.now = until_s

    def outcome(self, request_id: str) -> Outcome:
        """Return how a request ended; there must be exactly one end."""
        (ended,) = [ended for ended in self.ended if ended.request_id == request_id]
        return ended.outcome

    def answer(self, request_id: str) -> Answer:
        """Return the answer that a request ended with."""
        outcome = self.outcome(request_id)
        assert isinstance(outcome, Answer), outcome
        return outcome

    def replays(self) -> Iterator[tuple[Host, bool]]:
        """Run every node's journal again; yield whether the commands are the same, bit for bit."""
        for host in [*self._past, *self.hosts.values()]:
            again = [msgpack.encode(told) for _, told in journal.replay(host.lines)]
            yield host, again == host.told

    # -- the world ---------------------------------------------------------------------------------------------------

    def _stall_ends(self, node_id: NodeId) -> None:
        for stall in self.stalls:
            if stall.node_id == node_id:
                stall.until_s = min(stall.until_s, self.now)

    def _at(self, at_s: float, call: Callable[[], None]) -> None:
        heappush(self._calls, (at_s, next(self._numbers), call))

    def _later(self, delay_s: float, host: Host, call: Callable[[Host], None]) -> None:
        """Do something to a node, unless it has been killed meanwhile."""

        def if_alive() -> None:
            if self.hosts.get(host.profile.node_id) is host:
                call(host)

        self._at(self.now + delay_s, if_alive)

    def _over_link(self, sender: NodeId, receiver: NodeId, n_bytes: int, call: Callable[[Host], None]) -> bool:
        """Do something at the other end of a session, unless the session has ended meanwhile; False without one."""
        pair = frozenset((sender, receiver))
        session = self._sessions.get(pair)
        if session is None:
            return False

        def if_open(host: Host) -> None:
            if self._sessions.get(pair) == session:
                call(host)

        rate_bps = min(self.hosts[end].profile.power.radio_bps for end in (sender, receiver))
        self._later(self._link_s + n_bytes * 8 / rate_bps, self.hosts[receiver], if_open)
        return True

    def _send(self, sender: NodeId, receiver: NodeId, event: events.Event) -> None:
        self._over_link(sender, receiver, 0, lambda host: self._feed(host, event))

    def _session_ended(self, host: Host, gone: events.PeerDisconnected) -> None:
        for request_id in list(host.askers):
            self._withdraw(host, request_id, asker=gone.node_id)
        self._feed(host, gone)

    # -- what a daemon does ------------------------------------------------------------------------------------------

    def _arrive(self, host: Host, request: Request, asker: NodeId | None) -> None:
        if request.request_id in host.requests:
            host.askers[request.request_id].add(asker)
            return
        host.requests[request.request_id] = request
        host.askers[request.request_id] = {asker}
        self._feed(host, events.RequestArrived(request=request))

    def _withdraw(self, host: Host, request_id: RequestId, asker: NodeId | None) -> None:
        askers = host.askers.get(request_id, set())
        if asker in askers:
            askers.discard(asker)
            if not askers:
                self._feed(host, events.RequestCancelled(request_id=request_id))

    def _feed(self, host: Host, event: events.Event) -> None:
        host.inbox.append(event)
        self._pump(host)

    def _pump(self, host: Host) -> None:
        if host.is_pumping or host.is_stalled:
            return
        host.is_pumping = True
        while host.inbox:
            event = host.inbox.popleft()
            host.lines.append(journal.encode(journal.Entry(now=self.now, event=event)))
            told = host.scheduler.handle(event, self.now)
            host.told.append(msgpack.encode(told))
            for command in told:
                self._perform(host, command)
        host.is_pumping = False
        self._set_timer(host)

    def _set_timer(self, host: Host) -> None:
        due_s = host.scheduler.next_deadline()
        if due_s < host.tick_s:
            host.tick_s = due_s
            self._later(max(0.0, due_s - self.now), host, self._tick)

    def _tick(self, host: Host) -> None:
        host.tick_s = float("inf")
        if not host.is_stalled:
            self._feed(host, events.TimePassed())

    def _perform(self, host: Host, command: commands.Command) -> None:
        match command:
            case commands.ChoosePlan():
                self._plan(host, command.observation)
            case commands.RunStage():
                self._run_stage(host, command)
            case commands.Dispatch():
                self._dispatch(host, command)
            case commands.Recall():
                self._recall(host, command)
            case commands.Finish():
                self._finish(host, command)
            case commands.Announce():
                self._announce(host, command)
            case commands.StandingChanged():
                self.standings.append((self.now, host.profile.node_id, command.node_id, command.standing))
            case commands.DropStage():
                pass  # A stage cannot be stopped; its end is reported all the same.

    def _plan(self, host: Host, observation: Observation) -> None:
        index = self._choose(observation)
        if index is not None:
            plan = events.PlanChosen(
                request_id=observation.request_id, decision=observation.decision, index=index, policy="world"
            )
            self._feed(host, plan)

    def _run_stage(self, host: Host, command: commands.RunStage) -> None:
        key = (command.request_id, command.attempt)
        host.running.add(key)
        assert len(host.running) <= host.profile.slots, "more stages run than the node has slots"
        verdict = self._opinion(command.request_id, command.tier)
        compute_s = command.tier.compute_s * host.requests[command.request_id].batch

        def ended(host: Host) -> None:
            host.running.discard(key)
            self._feed(host, _stage_end(key, compute_s, verdict))

        self._later(compute_s, host, ended)

    def _dispatch(self, host: Host, command: commands.Dispatch) -> None:
        own_id, request = host.profile.node_id, host.requests[command.request_id]
        self.dispatched.append((own_id, command, request))
        host.out_at[command.request_id, command.node_id] = command.attempt
        sent = replace(request, deadline_s=command.deadline_s, start_tier=command.start_tier, via=command.via)
        if not self._over_link(
            own_id, command.node_id, request.input_bytes, lambda there: self._arrive(there, sent, asker=own_id)
        ):
            gone = Failure(code=PeerLost.code, message="there is no open session to it")
            self._hear(host, command.request_id, command.node_id, gone)

    def _recall(self, host: Host, command: commands.Recall) -> None:
        own_id = host.profile.node_id
        host.out_at.pop((command.request_id, command.node_id), None)
        self._over_link(
            own_id, command.node_id, 0, lambda there: self._withdraw(there, command.request_id, asker=own_id)
        )

    def _announce(self, host: Host, command: commands.Announce) -> None:
        own_id = host.profile.node_id
        heard = events.PeerHeard(node_id=own_id, telemetry=command.telemetry, rtt_s=2 * self._link_s)
        for pair in list(self._sessions):
            if own_id in pair:
                (other,) = pair - {own_id}
                self._send(own_id, other, heard)

    def _finish(self, host: Host, command: commands.Finish) -> None:
        name = command.request_id
        if not host.requests.pop(name).delegated:
            ended = Ended(at_s=self.now, node_id=host.profile.node_id, request_id=name, outcome=command.outcome)
            self.ended.append(ended)
        for peer in sorted(asker for asker in host.askers.pop(name) if asker is not None):
            self._reply(host, peer, command)

    def _reply(self, host: Host, asker: NodeId, command: commands.Finish) -> None:
        own_id = host.profile.node_id
        self._over_link(
            own_id, asker, 100, lambda there: self._hear(there, command.request_id, own_id, command.outcome)
        )

    def _hear(self, host: Host, request_id: RequestId, peer: NodeId, outcome: Outcome) -> None:
        """Tell a scheduler how a peer ended what was dispatched to it; nothing if it was called back."""
        attempt = host.out_at.pop((request_id, peer), None)
        if attempt is None:
            return
        if isinstance(outcome, Answer):
            size = host.requests[request_id].input_bytes + 100
            heard: events.Event = events.PeerAnswered(
                request_id=request_id,
                attempt=attempt,
                node_id=peer,
                answer=outcome,
                transferred_bytes=size,
                telemetry=self.hosts[peer].scheduler.telemetry() if peer in self.hosts else None,
            )
        else:
            heard = events.PeerRefused(
                request_id=request_id,
                attempt=attempt,
                node_id=peer,
                code=outcome.code,
                message=outcome.message,
                telemetry=None,
            )
        self._feed(host, heard)


def _stage_end(key: tuple[RequestId, int], compute_s: float, verdict: Verdict) -> events.Event:
    request_id, attempt = key
    if verdict.error is not None:
        return events.StageFailed(request_id=request_id, attempt=attempt, code=verdict.error, message="it broke")
    return events.StageFinished(
        request_id=request_id,
        attempt=attempt,
        compute_s=compute_s,
        load_s=0.0,
        score=verdict.score,
        anomalous=None,
        malformed=verdict.malformed,
    )
