"""Nodes that host a model of three stages, and peers that say they do."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from typing_extensions import override

from meshd.core.answer import Hop
from meshd.core.candidate import Observation
from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.mesh_view import MeshView
from meshd.core.node import DeviceClass, HostedStage, HostedTier, Telemetry
from meshd.core.plan import Leg, Partial
from meshd.core.policy import LeastExpectedCost
from meshd.wire.messages import Capability, Infer, Message, Refusal, Result
from meshd.wire.tensors import decode_tensors, encode_tensors
from model_registry import manifest as manifests
from model_registry.codec import available
from model_registry.manifest import Manifest
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, introduced, join, until
from tests.daemon.puppet import Puppet
from tests.executor.cuttable import SAMPLES, cuttable_manifest, cuttable_model

M = TypeVar("M", Result, Refusal)
CUTTABLE = "cuttable"
N_STAGES = 3
ARTIFACT = ArtifactHash(sha256(cuttable_model()).hexdigest())


def question(items: int = 1, level: int = 3) -> dict[str, NDArray[Any]]:
    """Return an input; every item differs from the one before it."""
    ecg = np.full((items, SAMPLES), -level, np.int16) - np.arange(items, dtype=np.int16)[:, None] % 512
    return {"ecg": ecg, "gain": np.arange(items, dtype=np.float32)}


def answer_to(inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return what the model says."""
    doubled = 2.0 * inputs["ecg"].astype(np.float32)
    return {"score": np.abs(doubled).mean(axis=1) + inputs["gain"], "mean": doubled.mean(axis=1)}


def part_member(member: MakeMember, folder: Path, name: str, *, form: Manifest | None = None, **options: Any) -> Member:
    """Make a hub that hosts the model."""
    bundle = folder / name / "bundles" / CUTTABLE
    bundle.mkdir(parents=True)
    (bundle / "cuttable.onnx").write_bytes(cuttable_model())
    (bundle / "manifest.toml").write_text(manifests.dumps(form or cuttable_manifest(cuttable_model())))
    return member("hub", name=name, bare=True, **options)


async def acquainted(*members: Member) -> None:
    """Join all, and wait until everybody knows that everybody runs stages."""
    for index, one in enumerate(members):
        for other in members[:index]:
            join(one, other)
    await introduced(*members)
    await until(lambda: all(_knows_stages(one, members) for one in members), "knowledge of stages")


async def with_stages(one: Member) -> None:
    """Wait until a node may run stages."""
    await until(lambda: any(hosted.stages for hosted in one.node.scheduler.profile.hosted), "stages that may be run")


def _knows_stages(one: Member, members: tuple[Member, ...]) -> bool:
    known = {
        node.profile.name
        for node, hosted in one.node.scheduler.view.hosting.of(ModelName(CUTTABLE)).all
        if hosted.stages
    }
    return known >= {member.name for member in members}


class PartPuppet(Puppet):
    """Says that it runs stages, and answers what a test decides."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "hub")

    @override
    def hosted(self) -> HostedTier:
        stages = (HostedStage(compute_s=0.0002, measured=True),) * N_STAGES
        return replace(
            super().hosted(),
            model=ModelName(CUTTABLE),
            version="1.0.0",
            variant="fp32",
            artifact=ARTIFACT,
            stages=stages,
            macs=32,
            max_items=8,
        )

    async def answer_of(self, request_id: str) -> tuple[Result, dict[str, NDArray[Any]]]:
        """Wait for the answer to a request and return it with its tensors."""
        message, payload = await self._end_of(request_id, Result)
        return message, decode_tensors(message.tensors, memoryview(payload))

    async def refusal_of(self, request_id: str) -> Refusal:
        """Wait for the refusal of a request."""
        return (await self._end_of(request_id, Refusal))[0]

    async def _end_of(self, request_id: str, kind: type[M]) -> tuple[M, bytes]:
        def ends() -> list[tuple[Message, bytes]]:
            return [(m, p) for m, p in self.received if isinstance(m, Result | Refusal) and m.request_id == request_id]

        await until(lambda: bool(ends()), f"the end of {request_id}")
        message, payload = ends()[0]
        assert isinstance(message, kind), message
        return message, payload

    def on_a_slow_link(self) -> Capability:
        """Return what it says of itself where a byte takes it a while, and it can undo every codec."""
        slow = replace(self.profile().power, radio_bps=1e5)
        return Capability(profile=replace(self.profile(), power=slow, codecs=available()), telemetry=Telemetry())

    def hop(self, first: int, last: int) -> Hop:
        """Return what is told of a run of stages [first, last)."""
        return Hop(
            node_id=self.id,
            node=self.name,
            tier=DeviceClass.HUB,
            variant="fp32",
            compute_s=0.001,
            stages=(first, last),
        )

    def rest(self, to: Member, *, first: int = 1, last: int = N_STAGES, **changes: Any) -> Partial:
        """Return the rest of a plan as an honest peer would send it, but for the changes."""
        leg = Leg(node_id=to.id, node=to.name, first=first, last=last)
        return replace(Partial(artifact=ARTIFACT, legs=(leg,)), **changes)

    def hand_over(
        self, to: Member, rest: Partial | None = None, *, request_id: str = "r1", **changes: Any
    ) -> tuple[Infer, tuple[bytes, ...]]:
        """Return what hands over what crosses before the second stage, but for the changes."""
        tensors, encodings = changes.pop("crossing", crossing()), changes.pop("encodings", {})
        headers, parts = encode_tensors(tensors, encodings)
        message = Infer(
            request_id=request_id,
            model=CUTTABLE,
            tensors=headers,
            deadline_s=10.0,
            start_tier=DeviceClass.HUB,
            via=(self.id,),
            partial=rest or self.rest(to),
        )
        return replace(message, **changes), tuple(bytes(part) for part in parts)


def crossing(items: int = 1, level: int = 3) -> dict[str, NDArray[Any]]:
    """Return what crosses before the second stage, by the graph's own names."""
    inputs = question(items, level)
    return {"x": 2.0 * inputs["ecg"].astype(np.float32), "bias": inputs["gain"]}


class Splits(LeastExpectedCost):
    """A policy that splits wherever it may, and goes on from where a part has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.on_choice: Callable[[], object] = lambda: None

    @override
    def choose(self, observation: Observation, view: MeshView | None = None, now: float = 0.0) -> int:
        self.on_choice()
        for index, candidate in enumerate(observation.candidates):
            if candidate.allowed and candidate.legs:
                return index
        return super().choose(observation, view, now)
