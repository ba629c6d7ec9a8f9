"""Keeps one session with every peer that this node trusts and can reach."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Protocol

from msgspec import structs
from typing_extensions import Buffer

from meshd import log
from meshd.config.config import Shaping
from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.errors import DuplicateLink, LinkError, ProtocolError, Superseded, UntrustedPeer
from meshd.net.acceptor import Acceptor
from meshd.net.address import Address, listening_socket
from meshd.net.advert import Advert
from meshd.net.dialler import Dialler
from meshd.net.identity import Identity
from meshd.net.link import LinkState, PeerLink
from meshd.net.rivalry import newcomer_wins
from meshd.net.session import Session
from meshd.net.session_limits import SessionLimits
from meshd.net.shaping import shaped
from meshd.net.sightings import Sightings
from meshd.net.tls import HANDSHAKE_S, SHUTDOWN_S, client_context, explained, server_context
from meshd.net.trust import TrustStore
from meshd.wire.messages import Hello, Message

# A look at the trust file is one system call; two seconds is what a person who has just paired will wait.
_TRUST_LOOK_S = 2.0


class PeeringEvents(Protocol):
    """Who is told what happens between this node and its peers."""

    def peer_connected(self, hello: Hello, session: Session) -> None:
        """Hear that a session is open; it is the only one with this node."""

    def peer_message(self, node_id: NodeId, message: Message, payload: memoryview) -> None:
        """Hear a message from a peer."""

    def peer_disconnected(self, node_id: NodeId, error: LinkError | None) -> None:
        """Hear that the session with a peer ended; no error when this side ended it."""

    def superseded(self, error: Superseded) -> None:
        """Hear that another daemon with our own identity started after us; this one should stop."""


class Peering:
    """Listens, dials, and keeps one session per trusted peer.

    ``found``, ``lost`` and ``add_static`` tell it where peers are; ``events`` hears what comes of it.
    """

    def __init__(
        self,
        identity: Identity,
        trust: TrustStore,
        hello: Callable[[], Hello],
        events: PeeringEvents,
        *,
        limits: SessionLimits | None = None,
        shaping: Shaping | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._identity = identity
        self._trust = trust
        self._hello = hello
        self._events = events
        self._limits = limits
        self._shaping = shaping or Shaping()
        self._jitter = jitter
        self._server = server_context(identity)
        self._client = client_context(identity)
        self._sessions: dict[NodeId, Session] = {}
        self._greeting: dict[NodeId, Session] = {}
        self._diallers: dict[NodeId, Dialler] = {}
        self._static: dict[NodeId, tuple[Address, ...]] = {}
        self._seen = Sightings()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._acceptor: Acceptor | None = None
        self.port = 0
        """Where this node listens, once started."""
        self.contested: str | None = None
        """What a peer said of another daemon with our identity; its word alone stops nobody."""

    async def start(self, host: str, port: int) -> None:
        """Listen for peers and dial those that are known; port 0 takes a free one.

        Raises:
            AddressInUse: another program listens there.
            ConfigInvalid: this machine cannot listen there.
        """
        listener = listening_socket(Address(host, port))
        self.port = listener.getsockname()[1]
        self._acceptor = Acceptor(
            listener, session=self._accepted, tls=self._server, shaping=self._shaping, on_refused=self._refused
        )
        self._run("trust", self._watch_trust())

    async def stop(self) -> None:
        """Say goodbye to all peers and end everything that was started."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._acceptor is not None:
            await self._acceptor.close()
        sessions = list(self._sessions.values())
        for session in sessions:
            session.close()
        await asyncio.gather(*(session.closed() for session in sessions))

    def found(self, advert: Advert) -> None:
        """Take note that a node has announced itself, and wake the dialler that waits for it."""
        if advert.node_id == self._identity.node_id and advert.incarnation <= self._identity.incarnation:
            return  # That is this node, or what is left of an earlier start of it.
        trusted = self._trusts(advert.node_id)
        self._seen.note_advert(advert, trusted=trusted)
        if trusted:
            self._aim(advert.node_id)

    def lost(self, node_id: NodeId) -> None:
        """Take note that a node's announcement was withdrawn or has expired."""
        self._seen.forget_advert(node_id)
        if node_id in self._diallers:
            self._aim(node_id)

    def add_static(self, node_id: NodeId, address: Address) -> None:
        """Dial a node at an address that was written down."""
        if node_id != self._identity.node_id:
            self._static[node_id] = (*self._static.get(node_id, ()), address)
            self._aim(node_id)

    def send(self, node_id: NodeId, message: Message, payload_parts: Sequence[Buffer] = ()) -> bool:
        """Send a message to a peer without waiting; tell whether there was an open session to take it.

        Raises:
            InvalidInput: the message is larger than a frame may be.
        """
        session = self._sessions.get(node_id)
        return session is not None and session.send(message, payload_parts)

    def drop(self, node_id: NodeId, error: LinkError) -> None:
        """End the session with a peer, for example because it answers no heartbeats; it is dialled again."""
        if (session := self._sessions.get(node_id)) is not None:
            session.close(error.code, str(error), error=error)

    def peers(self) -> list[PeerLink]:
        """Return how it stands with every peer that is known, trusted or only seen."""
        others = {*self._sessions, *self._diallers, *self._seen.adverts} - {self._identity.node_id}
        return [*map(self._link, sorted(others)), *self._seen.strangers(besides=others)]

    # ------------------------------------------------------------------------------------------ sessions: coming

    def _accepted(self) -> Session:
        self._trust.refresh()
        return self._new_session(dialled=False, trusts=self._trusts)

    def _new_session(self, *, dialled: bool, trusts: Callable[[NodeId], bool]) -> Session:
        session = Session(self._hello, dialled=dialled, trusts=trusts, admit=self._admit, limits=self._limits)
        session.on_open = self._opened
        session.on_message = self._received
        session.on_closed = self._closed
        return session

    async def _dial(self, node_id: NodeId, address: Address) -> Session:
        session = self._new_session(dialled=True, trusts=lambda found: found == node_id and self._trusts(found))
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: shaped(session, self._shaping), *address, ssl=self._client, ssl_shutdown_timeout=SHUTDOWN_S
                )
        except OSError as error:
            raise explained(error, str(address)) from error
        if node_id in self._sessions:
            session.abort()
            raise DuplicateLink("the peer was quicker.")
        self._greeting[node_id] = session
        session.greet()
        try:
            await session.opened()
        except asyncio.CancelledError:
            session.abort()
            raise
        finally:
            if self._greeting.get(node_id) is session:
                del self._greeting[node_id]
        return session

    def _admit(self, session: Session, hello: Hello) -> None:
        node_id = session.fingerprint
        if node_id is None or hello.node_id != node_id or hello.role != "peer" or hello.device_class is None:
            raise ProtocolError(f"the hello from {session.address} does not agree with its certificate {node_id}.")
        self._hold_class_against_pin(node_id, hello.device_class)
        if node_id == self._identity.node_id:
            self._meet_ourselves(session, hello)
        if (rival := self._sessions.get(node_id)) is not None:
            self._admit_beside(rival, session, hello)
        elif self._greeting.get(node_id) not in (None, session) and self._identity.node_id < node_id:
            raise DuplicateLink("this side dialled as well, and its session stays.")

    def _hold_class_against_pin(self, node_id: NodeId, claimed: DeviceClass) -> None:
        """Refuse a node that is not what its owner paired: as a hub, an upstream would be sent a household's inputs."""
        pin = self._trust.pins.get(node_id)
        if pin is not None and pin.device_class not in (None, claimed):
            raise UntrustedPeer(
                f"the node {node_id} was paired as {pin.device_class} and says that it is {claimed}.",
                hint=f"If that is right: meshd trust add {node_id} --class {claimed}",
            )

    def _meet_ourselves(self, session: Session, hello: Hello) -> None:
        ours = self._identity.incarnation
        if hello.incarnation < ours:
            raise Superseded("a daemon with the same identity started later.")
        if hello.incarnation > ours:
            self._give_way(f"a daemon at {session.address} has this node's identity and started later.")
        raise DuplicateLink("this node reached itself, or a copy of itself that started later.")

    def _admit_beside(self, rival: Session, session: Session, hello: Hello) -> None:
        if hello.incarnation < _incarnation(rival):
            raise Superseded("a daemon with the same identity started later and is connected here.")
        if hello.incarnation == _incarnation(rival) and not newcomer_wins(
            ours=self._identity.node_id,
            theirs=NodeId(hello.node_id or ""),
            rival_dialled=rival.dialled,
            dialled=session.dialled,
            rival_age_s=monotonic() - (rival.opened_s or 0.0),
        ):
            raise DuplicateLink("the two nodes have a session already.")

    def _opened(self, session: Session) -> None:
        assert session.fingerprint is not None
        assert session.remote is not None
        node_id = session.fingerprint
        self._replace(node_id, session)
        self._sessions[node_id] = session
        self._seen.note_hello(node_id, session.remote)
        log.get_logger().info(
            log.LINK_OPENED, node_id=node_id, name=session.remote.name, address=session.address, dialled=session.dialled
        )
        self._events.peer_connected(session.remote, session)

    def _replace(self, node_id: NodeId, newcomer: Session) -> None:
        """Close what the newcomer takes the place of, and say so before the newcomer is announced."""
        crossed = self._greeting.pop(node_id, newcomer)
        if crossed is not newcomer:
            crossed.abort(DuplicateLink("the peer's own session stays."))
        rival = self._sessions.pop(node_id, None)
        if rival is not None:
            newer = _incarnation(newcomer) > _incarnation(rival)
            error = Superseded("it started again.") if newer else DuplicateLink("the peer dialled anew.")
            rival.close(error.code, str(error), error=error)
            self._events.peer_disconnected(node_id, error)

    # ------------------------------------------------------------------------------------------- sessions: going

    def _received(self, session: Session, message: Message, payload: memoryview) -> None:
        assert session.fingerprint is not None
        self._events.peer_message(session.fingerprint, message, payload)

    def _closed(self, session: Session, error: LinkError | None) -> None:
        node_id = session.fingerprint
        if session.goodbye is not None and session.goodbye.code == Superseded.code:
            self._hear_of_a_copy(session, session.goodbye.message)
        if node_id is None or self._sessions.get(node_id) is not session:
            return
        del self._sessions[node_id]
        log.get_logger().info(log.LINK_CLOSED, node_id=node_id, address=session.address, reason=str(error or "left"))
        if (dialler := self._diallers.get(node_id)) is not None:
            dialler.ended(error, lasted_s=monotonic() - (session.opened_s or 0.0))
        self._events.peer_disconnected(node_id, error)

    def _hear_of_a_copy(self, session: Session, said: str) -> None:
        """Believe a copy of ourselves, which only our own key can be; of anybody else's word only take note."""
        if session.fingerprint == self._identity.node_id:
            self._give_way(f"{session.address} says: {said}")
        else:
            self.contested = f"{session.address} keeps a session with a later daemon of this node's identity: {said}"
            log.get_logger().warning(log.IDENTITY_CONTESTED, address=session.address, node_id=session.fingerprint)

    def _give_way(self, reason: str) -> None:
        hint = "Give one of the two another state directory, so that it makes an identity of its own."
        log.get_logger().error(log.IDENTITY_SUPERSEDED, reason=reason, hint=hint)
        self._events.superseded(Superseded(reason, hint=hint))

    def _refused(self, session: Session, host: str, error: LinkError) -> None:
        if isinstance(error, UntrustedPeer | ProtocolError):
            self._seen.note_stranger(session.fingerprint, host, error)

    # ---------------------------------------------------------------------------------------------------- dialling

    def _aim(self, node_id: NodeId) -> None:
        advert = self._seen.adverts.get(node_id)
        addresses = (*self._static.get(node_id, ()), *(advert.endpoints if advert else ()))
        if node_id not in self._diallers:
            dialler = Dialler(node_id, dial=self._dial, resting=self._needs_no_dial, jitter=self._jitter)
            self._diallers[node_id] = dialler
            self._run(f"dialler {node_id[:8]}", dialler.run())
        self._diallers[node_id].aim(addresses)

    def _needs_no_dial(self, node_id: NodeId) -> bool:
        return node_id in self._sessions or not self._trusts(node_id)

    def _trusts(self, node_id: NodeId) -> bool:
        # Our own certificate passes, for only a hello can tell a copy of ourselves what it is.
        return self._trust.trusts(node_id) or node_id == self._identity.node_id

    async def _watch_trust(self) -> None:
        while True:
            await asyncio.sleep(_TRUST_LOOK_S)
            if self._trust.refresh():
                self._follow_trust()

    def _follow_trust(self) -> None:
        for node_id in [node_id for node_id in self._sessions if not self._trusts(node_id)]:
            self.drop(node_id, UntrustedPeer("it is no longer pinned here."))
        for node_id in {*self._seen.adverts, *self._static}:
            if self._trusts(node_id):
                self._seen.forget_stranger(node_id)
                self._aim(node_id)

    def _run(self, name: str, work: Coroutine[None, None, None]) -> None:
        self._tasks[name] = task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)

    # ----------------------------------------------------------------------------------------------------- showing

    def _link(self, node_id: NodeId) -> PeerLink:
        known = self._seen.describe(node_id, self._trust.pins.get(node_id))
        now_s = monotonic()
        session, dialler = self._sessions.get(node_id), self._diallers.get(node_id)
        if session is not None and session.opened_s is not None:
            return structs.replace(
                known,
                state=LinkState.CONNECTED,
                address=self._address(session, known),
                last_error=None,
                since_s=now_s - session.opened_s,
                rtt_s=session.rtt_s,
            )
        if dialler is None or not self._trusts(node_id):
            return known
        return structs.replace(
            known,
            state=dialler.state,
            address=", ".join(map(str, dialler.addresses)) or None,
            last_error=str(dialler.last_error) if dialler.last_error else None,
            since_s=now_s - dialler.changed_s,
        )

    def _address(self, session: Session, known: PeerLink) -> str:
        """Return where a peer listens, as far as that is known; the port that it dialled from is nobody's address."""
        return session.address if session.dialled else known.address or session.address.rpartition(":")[0]


def _incarnation(session: Session) -> int:
    return session.remote.incarnation if session.remote else 0


def _report(task: asyncio.Task[None]) -> None:
    """Say that a task ended that should not have; without it the error would show at exit only."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.get_logger().error(log.TASK_FAILED, task=task.get_name(), exc_info=error)
