"""A peer whose every word a test decides."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass, HostedTier, NodeProfile, Telemetry
from meshd.net.memory import session_pair
from meshd.net.session import Session
from meshd.wire.messages import Capability, Hello, Infer, Message, Result, TensorHeader
from model_registry.device_class import device_class
from tests.daemon.mesh import COMPUTE_S, Member, node_id_of, until
from tests.daemon.toys import MODEL, artifact_of


class Puppet:
    """Says that it hosts a tier of the toy family, and does nothing by itself."""

    def __init__(self, name: str, tier: str, *, of_class: str = "") -> None:
        self.name = name
        self.id = node_id_of(name)
        self.tier = DeviceClass(tier)
        self.device_class = DeviceClass(of_class or tier)
        self.received: list[tuple[Message, bytes]] = []
        self.session: Session

    async def meet(self, member: Member, capability: Capability | None = None) -> None:
        """Open a session with a node and introduce this one."""
        self.session, theirs = session_pair(self.hello, member.hello)
        self.session.on_message = lambda _session, message, payload: self.received.append((message, bytes(payload)))
        member.serve(theirs, self.id)
        await self.session.opened()
        self.session.send(capability or self.capability())
        if capability is None:
            await until(lambda: member.knows(self.id))

    def hello(self) -> Hello:
        return Hello(role="peer", name=self.name, node_id=self.id, device_class=self.device_class, incarnation=1)

    def capability(self) -> Capability:
        return Capability(profile=self.profile(), telemetry=Telemetry())

    def profile(self) -> NodeProfile:
        return NodeProfile(
            node_id=self.id,
            name=self.name,
            device_class=self.device_class,
            incarnation=1,
            slots=1,
            power=device_class(self.device_class.value).power,
            hosted=(self.hosted(),),
        )

    def hosted(self) -> HostedTier:
        return HostedTier(
            model=ModelName(MODEL),
            version="1.2.3",
            tier=self.tier,
            variant="toy-fp32",
            artifact=artifact_of(self.tier.value),  # type: ignore[arg-type]
            accuracy=0.75,
            macs=16,
            compute_s=COMPUTE_S[self.tier.value],
            load_s=0.01,
        )

    @property
    def asked(self) -> list[Infer]:
        """Return the requests that have come."""
        return [message for message, _ in self.received if isinstance(message, Infer)]

    async def next_request(self, number: int = 1) -> Infer:
        """Wait until this many requests have come and return the latest."""
        await until(lambda: len(self.asked) >= number, f"request {number} at {self.name}")
        return self.asked[-1]

    def answer(self, **changes: Any) -> Answer:
        """Return a flawless answer, but for the changes."""
        hop = Hop(
            node_id=self.id,
            node=self.name,
            tier=self.tier,
            variant="toy-fp32",
            compute_s=0.001,
            score=1.0,
            anomalous=False,
        )
        sound = Answer(
            model=ModelName(MODEL),
            version="1.2.3",
            tier=self.tier,
            variant="toy-fp32",
            score=1.0,
            anomalous=False,
            confidence=1.0,
            degraded=False,
            escalations=0,
            route=(hop,),
            timings=Timings(total_s=0.001),
            energy=Energy(),
        )
        return replace(sound, **changes)

    def result(self, request_id: str, *, payload: bytes = bytes(4), **changes: Any) -> tuple[Result, tuple[bytes]]:
        """Return the message and payload of a flawless answer, but for the changes."""
        tensors = changes.pop("tensors", (TensorHeader(name="score", dtype="float32", shape=(1,)),))
        return Result(request_id=request_id, answer=self.answer(**changes), tensors=tensors), (payload,)

    def say(self, message: Message, parts: tuple[bytes, ...] = ()) -> None:
        """Send a message; the session must be open."""
        assert self.session.send(message, parts)
