"""Whole nodes with real executors, joined by sessions in memory: everything of a daemon but its sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import convert
from numpy.typing import NDArray
from typing_extensions import override

from meshd.client.conversation import Options, infer_message, new_request_id, query_message, understand
from meshd.client.result import Result
from meshd.config import Config
from meshd.core.ids import ArtifactHash, NodeId, RequestId
from meshd.core.node import DeviceClass, NodeProfile
from meshd.core.policy import Policy
from meshd.daemon.models.keeper import Keeper
from meshd.daemon.node import Node
from meshd.daemon.reception import Reception
from meshd.daemon.reporter import Reporter
from meshd.daemon.vitals import Vitals
from meshd.documents import MqttState
from meshd.errors import LinkError, MeshError, Superseded
from meshd.executor.executor import Executor
from meshd.executor.profile import Profile
from meshd.executor.profile_cache import ProfileCache
from meshd.host.energy_meter import EnergyMeter
from meshd.net.memory import session_pair
from meshd.net.session import Session
from meshd.wire.messages import Hello, Infer, Message
from model_registry.codec import available
from model_registry.store import ModelStore
from tests.daemon.toys import MODEL, artifact_of, lay_bundle, manifest
from tests.executor.artifacts import AdmitsAll

PATIENCE_S = 30.0
QUIET = {"suspect_after_s": 600.0, "dead_after_s": 1200.0, "patience_floor_s": 600.0}
"""Puppets say nothing by themselves, and a busy machine must not make suspects of them: who is to be one, is lost.
Nor must a pause of this process send a request elsewhere: a test of patience brings its own."""
COMPUTE_S = {"watch": 0.0001, "phone": 0.0002, "hub": 0.0004, "upstream": 0.0004}
"""What the toys are said to take on each class: short, so that they run at once, and growing with the tier."""

Inputs = dict[str, NDArray[Any]]


def node_id_of(name: str) -> NodeId:
    """Return a made-up fingerprint."""
    return NodeId(sha256(name.encode()).hexdigest())


class Said(ProfileCache):
    """Profiles that need no measuring: what COMPUTE_S says, whatever this machine is busy with."""

    def __init__(self) -> None:
        self._compute_s = {artifact_of(tier): seconds for tier, seconds in COMPUTE_S.items() if tier != "upstream"}

    @override
    def get(self, artifact: ArtifactHash) -> Profile | None:
        return Profile(compute_s=self._compute_s.get(artifact, 0.0002), spread_s=0.0, load_s=0.01, runs=1)


class Mains:
    """No battery."""

    def state(self) -> None:
        return None

    def spend(self, joules: float) -> None:
        pass


class Member:
    """One node with its executor, its models on disk, and everything that has reached it from peers."""

    def __init__(
        self,
        folder: Path,
        device_class: str,
        *,
        tier: str | None = None,
        name: str = "",
        privacy: str = "household",
        policy: Policy | None = None,
        settings: dict[str, float] | None = None,
        models: dict[str, Any] | None = None,
        bare: bool = False,
    ) -> None:
        self.name = name or device_class
        self.id = node_id_of(self.name)
        self.device_class = DeviceClass(device_class)
        self.received: list[tuple[NodeId, Message, bytes]] = []
        self.superseded: list[Superseded] = []
        self.alarms: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []
        self.sessions: dict[NodeId, Session] = {}
        self.overhears: Callable[[Message], None] = lambda _message: None
        """Called with each message from a peer before the node takes it in."""
        self._clients: list[Session] = []
        home = folder / self.name
        if not bare:
            lay_bundle(home / "bundles", manifest(privacy=privacy))
        hosting = {"dir": str(home / "bundles"), "host": [f"{MODEL}:{tier}"] if tier else []}
        self.config = _config(home, self.name, device_class, QUIET | (settings or {}), hosting | (models or {}))
        self._build(policy)

    def _build(self, policy: Policy | None) -> None:
        self.store = store = ModelStore(self.config.node.state_dir / "models")
        self.executor = Executor(store, slots=1, memory_budget_bytes=2**30, admission=AdmitsAll(), profiles=Said())
        self.keeper = Keeper(self.config, store, self.executor, patience_s=PATIENCE_S)
        self.keeper.open()
        self.vitals = Vitals(
            self.config.power,
            battery=Mains(),
            meter=EnergyMeter(self.config.power),
            warm=self.executor.warm_artifacts,
            warm_stages=self.executor.warm_stages,
        )
        self.node = Node(
            self.profile,
            self.config.scheduler.settings,
            executor=self.executor,
            keeper=self.keeper,
            vitals=self.vitals,
            listener=self,
            superseded=self.superseded.append,
            policy=policy,
        )
        reporter = Reporter(
            config=self.config,
            node=self.node,
            keeper=self.keeper,
            links=list,
            mqtt=lambda: MqttState(state="off"),
            problems=list,
            listening="memory",
        )
        self.reception = Reception(self.node.intake, reporter, self.keeper.installer)
        self.node.start()

    @property
    def profile(self) -> NodeProfile:
        return NodeProfile(
            node_id=self.id,
            name=self.name,
            device_class=self.device_class,
            incarnation=1,
            slots=1,
            power=self.config.power,
            hosted=self.executor.hosted_tiers(),
            codecs=available(),
            takes_probes=True,
        )

    def hello(self) -> Hello:
        return Hello(role="peer", name=self.name, node_id=self.id, device_class=self.device_class, incarnation=1)

    def serve(self, session: Session, other: NodeId) -> None:
        """Take a session to a peer, as :class:`meshd.net.peering.Peering` hands it over."""
        self.sessions[other] = session
        session.on_open = self._opened
        session.on_message = partial(self._heard, other)
        session.on_closed = partial(self._lost, other)

    def _opened(self, session: Session) -> None:
        assert session.remote is not None
        self.node.neighbourhood.peer_connected(session.remote, session)

    def _heard(self, other: NodeId, _session: Session, message: Message, payload: memoryview) -> None:
        self.received.append((other, message, bytes(payload)))
        self.overhears(message)
        self.node.neighbourhood.peer_message(other, message, payload)

    def _lost(self, other: NodeId, _session: Session, error: LinkError | None) -> None:
        if self.sessions.pop(other, None) is not None:
            self.node.neighbourhood.peer_disconnected(other, error)

    def publish_anomaly(self, event: Any) -> None:
        self.alarms.append(dict(event))

    def publish_finding(self, event: Any) -> None:
        self.findings.append(dict(event))

    def asked_by_peers(self) -> list[Infer]:
        """Return every request that peers have sent here."""
        return [message for _, message, _ in self.received if isinstance(message, Infer)]

    def knows(self, *others: NodeId) -> bool:
        """Tell whether the others have introduced themselves and may be given work."""
        return all(self.node.scheduler.view.membership.is_usable(other) for other in others)

    @property
    def ledger(self) -> Any:
        return self.node._ledger

    def client(self) -> Asker:
        """Return a client in session with this node."""
        mine, theirs = session_pair(lambda: Hello(role="client", name="test"), self.hello)
        self._clients.append(mine)
        theirs.on_open = self.reception.welcome
        return Asker(mine)

    async def stop(self) -> None:
        for session in (*self._clients, *self.sessions.values()):
            session.close()
            await session.closed()
        self.node.stop()
        await self.keeper.close()
        self.executor.close()

    def check_nothing_left(self) -> None:
        """Fail when a request, a queued stage, a slot or a timer has outlived the test."""
        telemetry = self.node.scheduler.telemetry()
        left = {
            "held": list(self.ledger._live),
            "alive": self.node.scheduler.alive_requests,
            "queued": telemetry.queued,
            "running": telemetry.running,
            "outstanding": [
                n.link.outstanding for n in self.node.scheduler.view.nodes() if n.link and n.link.outstanding
            ],
            "timer": self.node._pump._timer,
        }
        assert left == {"held": [], "alive": 0, "queued": 0, "running": 0, "outstanding": [], "timer": None}


@dataclass
class Reply:
    """Everything that came back for one request id."""

    outcomes: list[Result | memoryview | MeshError]
    came: asyncio.Event


class Asker:
    """A client as the wire sees it: it sends what it is told and keeps every reply."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._replies: dict[str, Reply] = {}
        session.on_message = self._received

    async def infer(self, inputs: Inputs, *, model: str = MODEL, request_id: str = "", **options: Any) -> Result:
        """Ask and wait; raise the error that came back in place of a result."""
        request_id = await self.send(inputs, model=model, request_id=request_id, **options)
        outcome = await self.outcome(request_id)
        if isinstance(outcome, MeshError):
            raise outcome
        return cast("Result", outcome)

    async def send(self, inputs: Inputs, *, model: str = MODEL, request_id: str = "", **options: Any) -> str:
        """Ask without waiting for the answer."""
        await self.session.opened()
        request_id = request_id or new_request_id()
        message, parts = infer_message(RequestId(request_id), model, inputs, convert(options, Options))
        self.expect(request_id)
        assert self.session.send(message, parts)
        return request_id

    async def query(self, subject: str, **arguments: str) -> Any:
        """Ask for a document."""
        await self.session.opened()
        message = query_message(subject, arguments)
        self.expect(message.request_id)
        assert self.session.send(message)
        outcome = await self.outcome(message.request_id)
        if isinstance(outcome, MeshError):
            raise outcome
        assert isinstance(outcome, memoryview)
        return msgspec.json.decode(outcome)

    def expect(self, request_id: str) -> None:
        """Be ready for replies to a request."""
        self._replies.setdefault(request_id, Reply([], asyncio.Event()))

    async def latest(self, request_id: str, number: int) -> Result:
        """Wait until this many replies to a request have come and return the last, a result."""
        await until(lambda: len(self.outcomes(request_id)) >= number)
        outcome = self.outcomes(request_id)[-1]
        assert isinstance(outcome, Result)
        return outcome

    async def outcome(self, request_id: str) -> Result | memoryview | MeshError:
        """Wait for the first reply to a request."""
        reply = self._replies[request_id]
        async with asyncio.timeout(PATIENCE_S):
            await reply.came.wait()
        return reply.outcomes[0]

    def outcomes(self, request_id: str) -> list[Result | memoryview | MeshError]:
        """Return all replies to a request so far."""
        return self._replies[request_id].outcomes

    def _received(self, _session: Session, message: Message, payload: memoryview) -> None:
        ended = understand(message, payload)
        assert ended is not None, f"a client is sent no {type(message).__name__}"
        reply = self._replies[ended[0]]
        reply.outcomes.append(ended[1])
        reply.came.set()


def _config(folder: Path, name: str, device_class: str, settings: dict[str, float], models: dict[str, Any]) -> Config:
    tables = {
        "node": {"name": name, "device_class": device_class, "state_dir": str(folder)},
        "models": models,
        "scheduler": settings,
    }
    return convert(tables, Config, dec_hook=lambda kind, text: kind(text))


def join(one: Member, two: Member) -> None:
    """Open a session between two nodes."""
    mine, theirs = session_pair(one.hello, two.hello)
    one.serve(mine, two.id)
    two.serve(theirs, one.id)


async def introduced(*members: Member) -> None:
    """Wait until all of them know each other."""
    await until(lambda: all(m.knows(*(o.id for o in members if o is not m)) for m in members))


async def until(condition: Any, what: str = "the expected state") -> None:
    """Wait for a state, looking again at every turn of the loop."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - it looks at many objects; no single event tells of them all
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"{what} did not come about within {PATIENCE_S:g} s") from None
