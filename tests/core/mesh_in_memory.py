"""A mesh in virtual time: real schedulers, and a world around them that takes exactly as long as it is told.

Rules of this file:

- nothing happens but by ``_at``: a heap of (time, call), so that a run is the same every time;
- a killed node forgets everything and its sessions end on both sides; a stalled one hears and says nothing until it
  resumes, and then finds all that was sent to it; a returned one has the same identity and a higher incarnation;
- a stage takes the seconds that its tier announces, times the items; what is sent takes the link's delay, its bytes
  over the link's rate, and the seconds of its codec; in each direction bytes go over a link one after the other;
- ``replays`` tells whether the journals lead to the same commands again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappop, heappush
from itertools import count

from msgspec import Struct, msgpack
from msgspec.structs import replace

from meshd.core import commands, events, journal
from meshd.core.answer import Answer, Outcome
from meshd.core.candidate import Observation
from meshd.core.ids import NodeId, RequestId
from meshd.core.membership import Standing
from meshd.core.node import HostedTier, NodeProfile
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Request
from meshd.core.settings import Settings
from tests.core.host_in_memory import Host, Opinion, Verdict

__all__ = ["Ended", "Host", "Link", "Opinion", "Stall", "Verdict", "World"]

Choose = Callable[[Observation], int | None]
"""A policy that may also say nothing."""


class Ended(Struct, frozen=True, kw_only=True):
    """One Finish, as seen by who asked."""

    at_s: float
    node_id: NodeId
    request_id: RequestId
    outcome: Outcome


class Stall(Struct, kw_only=True):
    """A node was frozen in [since_s, until_s)."""

    node_id: NodeId
    since_s: float
    until_s: float = float("inf")


class Link(Struct, frozen=True, kw_only=True):
    """What lies between two nodes."""

    delay_s: float
    """One way."""
    rate_bps: float


class World:
    """Several nodes, fully meshed; see the module's rules."""

    def __init__(
        self,
        *profiles: NodeProfile,
        settings: Settings | None = None,
        opinion: Opinion = lambda _request, _tier: Verdict(),
        choose: Choose = LeastExpectedCost().choose,
        link_s: float = 0.005,
        further_item: float = 0.5,
    ) -> None:
        self.now = 0.0
        self.further_item = further_item
        """Seconds of each item of a batch behind the first, as a share of the first one's."""
        self.hosts: dict[NodeId, Host] = {}
        self.ended: list[Ended] = []
        self.children_ended: list[Ended] = []
        self.standings: list[tuple[float, NodeId, NodeId, Standing]] = []
        self.stalls: list[Stall] = []
        self.dispatched: list[tuple[NodeId, commands.Dispatch, Request]] = []
        self._settings = settings or Settings()
        self._opinion = opinion
        self._choose = choose
        self._link_s = link_s
        self._links: dict[frozenset[NodeId], Link] = {}
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._sessions: dict[frozenset[NodeId], int] = {}
        self._free_s: dict[tuple[NodeId, NodeId], float] = {}
        """When the last byte under way from one node to another will have left."""
        self._past: list[Host] = []
        for profile in profiles:
            self.start(profile)

    # -- what a test does --------------------------------------------------------------------------------------------

    def start(self, profile: NodeProfile) -> None:
        """Start a node and open its sessions; it has its models loaded."""
        host = self.hosts[profile.node_id] = Host(self, profile, self._settings)
        host.warm_up()
        for other in [name for name in self.hosts if name != profile.node_id]:
            self.connect(profile.node_id, other)

    def set_link(self, a: NodeId, b: NodeId, *, delay_s: float, rate_bps: float) -> None:
        """Let a link be another one from now on."""
        self._links[frozenset((a, b))] = Link(delay_s=delay_s, rate_bps=rate_bps)

    def connect(self, a: NodeId, b: NodeId) -> None:
        """Open a session; both sides learn of it one way later."""
        self._sessions[frozenset((a, b))] = next(self._numbers)
        for me, other in ((a, b), (b, a)):
            made = self.hosts[other].scheduler
            met = events.PeerConnected(profile=made.profile, telemetry=made.telemetry())
            self.over_link(other, me, 0, partial(Host.feed, event=met))

    def disconnect(self, a: NodeId, b: NodeId, *, left: bool = False) -> None:
        """End a session on both sides; what is under way on it is lost."""
        delay_s = self.link(a, b).delay_s if {a, b} <= self.hosts.keys() else self._link_s
        if self._sessions.pop(frozenset((a, b)), None) is None:
            return
        for me, other in ((a, b), (b, a)):
            if me in self.hosts:
                gone = events.PeerDisconnected(node_id=other, left=left, reason="the test closed it")
                self.later(delay_s, self.hosts[me], partial(Host.session_ended, gone=gone))

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
        self._stall_ends(node_id)
        self.hosts[node_id].thaw()

    def submit(self, node_id: NodeId, request: Request) -> None:
        """Ask as a client of that node."""
        self.hosts[node_id].arrive(request, asker=None)

    def tell(self, node_id: NodeId, event: events.Event) -> None:
        """Let something happen on a node."""
        self.hosts[node_id].feed(event)

    def stalled_at(self, at_s: float) -> set[NodeId]:
        """Return who was frozen at a time."""
        return {stall.node_id for stall in self.stalls if stall.since_s <= at_s < stall.until_s}

    def cancel(self, node_id: NodeId, request_id: RequestId) -> None:
        """Withdraw as a client of that node."""
        self.hosts[node_id].withdraw(request_id, asker=None)

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

    # -- what a device sees ------------------------------------------------------------------------------------------

    def later(self, delay_s: float, host: Host, call: Callable[[Host], None]) -> None:
        """Do something to a node, unless it has been killed meanwhile."""

        def if_alive() -> None:
            if self.hosts.get(host.node_id) is host:
                call(host)

        self._at(self.now + delay_s, if_alive)

    def over_link(
        self, sender: NodeId, receiver: NodeId, n_bytes: float, call: Callable[[Host], None], *, codec_s: float = 0.0
    ) -> bool:
        """Do something at the other end of a session, unless the session has ended meanwhile; False without one."""
        pair = frozenset((sender, receiver))
        session = self._sessions.get(pair)
        if session is None:
            return False

        def if_open(host: Host) -> None:
            if self._sessions.get(pair) == session:
                call(host)

        link, way = self.link(sender, receiver), (sender, receiver)
        began_s = max(self.now + codec_s, self._free_s.get(way, 0.0))
        left_s = self._free_s[way] = began_s + n_bytes * 8 / link.rate_bps
        self.later(left_s - self.now + link.delay_s, self.hosts[receiver], if_open)
        return True

    def link(self, a: NodeId, b: NodeId) -> Link:
        """Return what lies between two nodes: what was set, or as fast as the slower radio."""
        if known := self._links.get(frozenset((a, b))):
            return known
        rate_bps = min(self.hosts[end].profile.power.radio_bps for end in (a, b))
        return Link(delay_s=self._link_s, rate_bps=rate_bps)

    def round_trip_s(self, a: NodeId, b: NodeId) -> float:
        """Return how long a word there and back takes."""
        return 2.0 * self.link(a, b).delay_s

    def neighbours(self, node_id: NodeId) -> list[NodeId]:
        """Return who is in session with a node."""
        return [other for pair in self._sessions if node_id in pair for other in pair - {node_id}]

    def opinion(self, request_id: RequestId, tier: HostedTier) -> Verdict:
        """Return what comes of running a stage."""
        return self._opinion(request_id, tier)

    def choose(self, observation: Observation) -> int | None:
        """Return what the policy says, if anything."""
        return self._choose(observation)

    def finished(self, host: Host, request: Request, command: commands.Finish) -> None:
        """Note how a request ended, or a part of one, unless it is only told to a peer."""
        ended = Ended(at_s=self.now, node_id=host.node_id, request_id=command.request_id, outcome=command.outcome)
        if not request.delegated:
            (self.children_ended if "/" in command.request_id else self.ended).append(ended)

    def dispatching(self, host: Host, command: commands.Dispatch, request: Request) -> None:
        """Note what is sent."""
        self.dispatched.append((host.node_id, command, request))

    def standing_changed(self, host: Host, peer: NodeId, standing: Standing) -> None:
        """Note what a node believes of another."""
        self.standings.append((self.now, host.node_id, peer, standing))

    # -- virtual time ------------------------------------------------------------------------------------------------

    def _stall_ends(self, node_id: NodeId) -> None:
        for stall in self.stalls:
            if stall.node_id == node_id:
                stall.until_s = min(stall.until_s, self.now)

    def _at(self, at_s: float, call: Callable[[], None]) -> None:
        heappush(self._calls, (at_s, next(self._numbers), call))
