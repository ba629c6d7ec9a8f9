"""What comes from peers, turned into events; and what they ask of this node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace
from typing_extensions import Buffer

from meshd import log
from meshd.core.answer import Answer
from meshd.core.commands import Dispatch
from meshd.core.events import Event, PeerAnswered, PeerConnected, PeerDisconnected, PeerHeard, PeerRefused
from meshd.core.ids import NodeId
from meshd.core.node import NodeProfile
from meshd.core.plan import RAW
from meshd.core.request import Request
from meshd.core.scheduler import Scheduler
from meshd.daemon.chatter import Chatter, Told
from meshd.daemon.intake import Intake
from meshd.daemon.ledger import Asker, Entry, Ledger, Outputs, Tensors, codec_of
from meshd.daemon.models.keeper import Keeper
from meshd.errors import (
    ExecutionFailed,
    InvalidInput,
    LinkError,
    PeerLeft,
    PeerLost,
    ProtocolError,
    Superseded,
    readable,
)
from meshd.net.session import Session, State
from meshd.wire.messages import (
    MAX_HOPS,
    Cancel,
    Capability,
    Fetch,
    Fetched,
    Heartbeat,
    Hello,
    Infer,
    Inventory,
    Message,
    Refusal,
    Result,
)
from meshd.wire.tensors import decode_tensors

_MAX_ROUTE = 4 * MAX_HOPS
"""A cascade has a run for each tier, each perhaps in legs, and a few more for tries that were degraded; what is put
before a peer's route has to leave the whole short enough for a message."""


class _Probe(Struct, frozen=True, kw_only=True):
    """A heartbeat with bytes behind it, whose echo tells of a link's rate."""

    sequence: int
    n_bytes: int
    sent_s: float


class Neighbourhood:
    """Serves the sessions to peers. Nothing that a peer sends can raise out of here."""

    def __init__(
        self,
        scheduler: Scheduler,
        ledger: Ledger,
        intake: Intake,
        keeper: Keeper,
        *,
        feed: Callable[[Event], None],
        superseded: Callable[[Superseded], None],
    ) -> None:
        self._scheduler = scheduler
        self._ledger = ledger
        self._intake = intake
        self._catalogue = keeper.catalogue
        self._exchange = keeper.exchange
        self._feed = feed
        self.superseded = superseded
        self._sessions: dict[NodeId, Session] = {}
        self._probes: dict[NodeId, _Probe] = {}
        self._announced: dict[NodeId, NodeProfile] = {}
        self.chatter = Chatter(self._told, self._cut_off)
        self._log = log.get_logger()

    def peer_connected(self, hello: Hello, session: Session) -> None:
        """Introduce this node; the peer counts as connected once it has introduced itself."""
        assert hello.node_id is not None, "peering admits no peer without an id"
        self._sessions[NodeId(hello.node_id)] = session
        session.send(self._capability())
        self._exchange.peer_connected(NodeId(hello.node_id), session)

    def send(self, node_id: NodeId, message: Message, payload_parts: Sequence[Buffer] = ()) -> bool:
        """Send to one peer without waiting; False when there is no open session, or no credit left for a request."""
        session = self._sessions.get(node_id)
        return session is not None and session.send(message, payload_parts)

    def is_open(self, node_id: NodeId) -> bool:
        """Tell whether there is an open session to a peer."""
        session = self._sessions.get(node_id)
        return session is not None and session.state is State.OPEN

    def broadcast(self, message: Message) -> None:
        """Send to every peer in session."""
        for session in list(self._sessions.values()):
            session.send(message)

    def probe(self, node_id: NodeId, beat: Heartbeat, n_bytes: int) -> None:
        """Send a heartbeat with bytes behind it, to see how long its echo takes."""
        if self.send(node_id, beat, (bytes(n_bytes),)):
            self._probes[node_id] = _Probe(sequence=beat.sequence, n_bytes=n_bytes, sent_s=monotonic())

    def introduce(self) -> None:
        """Tell every peer what this node is and can do by now."""
        self.broadcast(self._capability())

    def believe_anew(self) -> None:
        """Hold what peers have announced against the manifests that are at hand by now."""
        for node_id, announced in list(self._announced.items()):
            peer, profile = self._scheduler.view.peer(node_id), self._believed(announced)
            if peer is not None and peer.profile != profile:
                self._feed(PeerConnected(profile=profile, telemetry=peer.telemetry))

    def drop(self, node_id: NodeId) -> None:
        """End the session with a peer that is silent: a connection that is only half there may last for hours."""
        if session := self._sessions.get(node_id):
            session.abort(PeerLost("it was silent for too long."))

    def peer_disconnected(self, node_id: NodeId, error: LinkError | None) -> None:
        """Tell the scheduler, and drop what only this peer waited for."""
        self._sessions.pop(node_id, None)
        self._announced.pop(node_id, None)
        self._probes.pop(node_id, None)
        self.chatter.forget(node_id)
        self._exchange.peer_disconnected(node_id)
        left = error is None or isinstance(error, PeerLeft)
        self._feed(PeerDisconnected(node_id=node_id, left=left, reason=str(error or "left")))
        self._intake.withdraw_all(node_id)

    def peer_message(self, node_id: NodeId, message: Message, payload: memoryview) -> None:
        """Take in one message."""
        match message:  # What comes most is asked for first.
            case Result():
                self._answered(node_id, message, payload)
            case Infer():
                self._asked(node_id, message, payload)
            case Capability() | Heartbeat():
                self.chatter.hear(node_id, message, len(payload))
            case Refusal():
                if not self._exchange.peer_message(node_id, message, payload):
                    self._refused(node_id, message)
            case Inventory() | Fetch() | Fetched():
                self._exchange.peer_message(node_id, message, payload)
            case Cancel():
                self._intake.withdraw(node_id, message.request_id)
            case _:
                self._log.warning(log.FRAME_REFUSED, node_id=node_id, kind=type(message).__name__)

    def _told(self, node_id: NodeId, message: Told) -> None:
        if isinstance(message, Heartbeat):
            self._heard(node_id, message)
        else:
            self._introduced(node_id, message)

    def _cut_off(self, node_id: NodeId, error: ProtocolError) -> None:
        self._log.warning(log.PEER_REFUSED, node_id=node_id, reason=str(error))
        if session := self._sessions.get(node_id):
            session.close(error.code, str(error), error=error)

    def _capability(self) -> Capability:
        return Capability(profile=self._scheduler.profile, telemetry=self._scheduler.broad_telemetry())

    def _introduced(self, node_id: NodeId, message: Capability) -> None:
        profile, session = message.profile, self._sessions.get(node_id)
        if profile.node_id != node_id:
            self._log.warning(log.PEER_REFUSED, node_id=node_id, reason="it announced another node's capability")
            return
        # Privacy rests on the class, and the one in the hello was held against what the owner has pinned.
        if session and session.remote and session.remote.device_class is not profile.device_class:
            self._log.warning(
                log.PEER_REFUSED, node_id=node_id, reason=f"it now says that it is {profile.device_class}"
            )
            return
        self._announced[node_id] = profile
        self._feed(PeerConnected(profile=self._believed(profile), telemetry=message.telemetry))

    def _believed(self, announced: NodeProfile) -> NodeProfile:
        return replace(announced, hosted=tuple(map(self._catalogue.believed, announced.hosted)))

    def _heard(self, node_id: NodeId, message: Heartbeat) -> None:
        session = self._sessions.get(node_id)
        if session is not None and not message.echo:
            own = self._scheduler.telemetry()
            session.send(Heartbeat(sequence=message.sequence, telemetry=own, echo=True))
        probe = self._probes.get(node_id)
        if probe is not None and message.echo and message.sequence == probe.sequence:
            del self._probes[node_id]
            rtt_s, n_bytes = monotonic() - probe.sent_s, probe.n_bytes
            self._feed(PeerHeard(node_id=node_id, telemetry=message.telemetry, rtt_s=rtt_s, probe_bytes=n_bytes))
            return
        trip_s = session.rtt_s if session is not None and message.echo else None
        self._feed(PeerHeard(node_id=node_id, telemetry=message.telemetry, rtt_s=trip_s))

    def _asked(self, node_id: NodeId, infer: Infer, payload: memoryview) -> None:
        session = self._sessions.get(node_id)
        if session is None:
            return
        via = tuple(map(NodeId, infer.via))
        # A peer may not hide that it has the request: the last node it came by is the one on the certificate.
        via = via if via[-1:] == (node_id,) else (*via, node_id)
        self._intake.take(Asker(node_id, session.send, node_id), infer, payload, via=via)

    def _answered(self, node_id: NodeId, message: Result, payload: memoryview) -> None:
        entry = self._ledger.get(message.request_id)
        errand = entry.out_at.pop(node_id, None) if entry else None
        if entry is None or errand is None:
            return
        if codec_of(message.tensors) != RAW:
            self._refuse(entry, errand.command, message, "its outputs are encoded, and no manifest lists that")
            return
        try:
            outputs = decode_tensors(message.tensors, payload)
        except (ProtocolError, InvalidInput) as error:
            self._refuse(entry, errand.command, message, str(error))
            return
        if flaw := self._flaw_of(entry, errand.command, message, outputs):
            self._refuse(entry, errand.command, message, flaw)
            return
        entry.outputs[errand.command.attempt] = Outputs(outputs, message.tensors, (payload,))
        self._feed(
            PeerAnswered(
                request_id=entry.request.request_id,
                attempt=errand.command.attempt,
                node_id=node_id,
                answer=message.answer,
                transferred_bytes=errand.sent_bytes + len(payload),
                telemetry=message.telemetry,
                sent_bytes=errand.sent_bytes,
                codec_s=errand.codec_s,
                codec=errand.codec,
            )
        )

    def _flaw_of(self, entry: Entry, asked: Dispatch, message: Result, outputs: Tensors) -> str:
        """Return what is wrong with an answer, by what was asked, and by the manifest where it is known here."""
        answer = message.answer
        flaw = _flaw_of_story(entry.request, asked, answer)
        return flaw or self._catalogue.flaw_of(answer.model, answer.tier, outputs, entry.extents)

    def _refuse(self, entry: Entry, asked: Dispatch, message: Result, flaw: str) -> None:
        self._log.warning(log.STAGE_FAILED, node_id=asked.node_id, request_id=message.request_id, reason=flaw)
        self._feed(
            PeerRefused(
                request_id=entry.request.request_id,
                attempt=asked.attempt,
                node_id=asked.node_id,
                code=ExecutionFailed.code,
                message=f"a peer's answer was not usable: {flaw}",
                telemetry=message.telemetry,
            )
        )

    def _refused(self, node_id: NodeId, message: Refusal) -> None:
        entry = self._ledger.get(message.request_id)
        errand = entry.out_at.pop(node_id, None) if entry else None
        if entry is None or errand is None:
            return
        self._feed(
            PeerRefused(
                request_id=entry.request.request_id,
                attempt=errand.command.attempt,
                node_id=node_id,
                code=message.code,
                message=readable(message.message),
                telemetry=message.telemetry,
            )
        )


def _flaw_of_story(request: Request, asked: Dispatch, answer: Answer) -> str:
    """Return what cannot be in what an answer says of itself."""
    rest = asked.partial
    if answer.model != request.model or answer.tier.rank < asked.start_tier.rank:
        return f"it is from {answer.model}, tier {answer.tier}, and not from {asked.start_tier} or above"
    if rest is None:
        return "" if len(answer.route) <= _MAX_ROUTE else f"its route has {len(answer.route)} stages"
    if answer.tier is not asked.start_tier:
        return f"it is from tier {answer.tier}, and the rest of a run of {asked.start_tier} was asked for"
    ran = [hop.stages for hop in answer.route]
    return "" if _goes_on(ran, rest.legs[0].first, rest.legs[-1].last) else f"its route has the stages {ran}"


def _goes_on(ran: Sequence[tuple[int, int] | None], first: int, last: int) -> bool:
    """Tell whether ranges of stages lead from the first to the last, each beginning where the one before ended."""
    for stages in ran:
        if stages is None or stages[0] != first or stages[1] <= first:
            return False
        first = stages[1]
    return first == last
