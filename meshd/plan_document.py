"""The document that ``meshd plan`` prints: every way to run a model, and what it would take. Nothing is run for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta, Struct

from meshd.core.ids import ModelName, NodeId
from meshd.core.node import NodeProfile
from meshd.core.request import Priority, Privacy
from meshd.core.settings import Settings
from meshd.weighed import Weighed

_RATES = "rates_bps"


class PlanQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked: a request that nobody makes, and whose decision it would be."""

    model: ModelName
    node: str = ""
    """Name or id of the node that decides; empty: the one that is asked."""
    rates_bps: Annotated[tuple[Annotated[float, Meta(ge=1.0, le=1e15)], ...], Meta(max_length=16)] = ()
    """Suppose each of these rates on all links, one after the other; empty: the links as they are."""
    batch: Annotated[int, Meta(ge=1, le=2**31)] = 1
    priority: Priority = Priority.NORMAL
    privacy: Privacy = Privacy.HOUSEHOLD
    deadline_s: Annotated[float, Meta(gt=0.0, le=86_400.0)] = 10.0
    length: Annotated[int, Meta(ge=0, le=2**31)] = 0
    """Elements along every free axis but the batch's; 0: the fewest that the manifest allows."""
    lossless: bool = False

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> Self:
        """Return the question that a query's words mean; ValueError where they mean none."""
        rates = [word for word in arguments.get(_RATES, "").split(",") if word]
        return msgspec.convert({**arguments, _RATES: rates}, cls, strict=False)

    @property
    def arguments(self) -> dict[str, str]:
        """Return the question as a query's words."""
        words = {key: str(value) for key, value in msgspec.structs.asdict(self).items()}
        words["lossless"] = str(self.lossless).lower()
        return words | {_RATES: ",".join(f"{rate:g}" for rate in self.rates_bps)}


class PlannedLeg(Struct, frozen=True, kw_only=True):
    """What one node would do."""

    node: str
    first: int
    last: int
    """Stages [first, last)."""
    codec: str
    """How what it needs travels to it; meaningless for the node that decides."""
    compute_s: float
    transfer_s: float
    """Of the way to it: encoding and decoding included."""


class PlannedShare(Struct, frozen=True, kw_only=True):
    """What one node would do of a batch."""

    node: str
    items: int
    codec: str
    seconds: float
    """From now until its outputs are here."""


class PlannedWay(Weighed, frozen=True, kw_only=True):
    """One way that a request could take."""

    place: str
    """What ``meshd infer --plan`` takes: ``kitchen``; ``band 0-2, kitchen 2-4`` for stages."""
    kind: str
    """For example ``whole here``, ``whole there, jpeg``, ``split at 2``."""
    codec: str
    """How the input, or what crosses to the second node, travels."""
    escalation_s: float | None
    total_s: float | None
    """Until the final answer is here: waiting, loading, computing, sending, handling, and a likely escalation."""
    joules: float | None
    legs: tuple[PlannedLeg, ...] = ()
    shares: tuple[PlannedShare, ...] = ()


class PlannedLook(Struct, frozen=True, kw_only=True):
    """One decision, as it would be taken now."""

    rate_bps: float | None
    """Of every link, where that was supposed; none: as they were measured."""
    ways: tuple[PlannedWay, ...]
    chosen: int | None
    """Index into the ways; none when nothing is allowed."""
    rival: int | None = None
    """Of the way that would race against the chosen one, for an emergency; none: it would run alone."""
    others: tuple[str, ...] = ()
    """Places on one node or two that may be named as well, and that nobody weighed: another one with the same nodes is
    better in every way, or other nodes are nearer."""


class KnownLink(Struct, frozen=True, kw_only=True):
    """What the deciding node knows of its way to a peer."""

    node_id: NodeId
    node: str
    rate_bps: float | None
    """None where bytes take no time that could be measured."""
    rtt_s: float
    measured: bool
    """Whether the round trip was."""
    rate_source: Literal["measured", "told", "assumed"]
    """``told`` by the deciding node, where that is another one. ``assumed``: no exchange was large enough to tell, so
    it is what the radios of both classes are known for."""


class PlanDocument(Struct, frozen=True, kw_only=True):
    """Where a request for a model would run, and why."""

    model: ModelName
    node: str
    """Who decides."""
    known_by: str
    """Whose knowledge it is."""
    policy: str
    settings: Settings
    """The prices by which the policy weighs."""
    batch: int
    priority: Priority
    privacy: Privacy
    deadline_s: float
    input_bytes: int
    """Of the whole batch."""
    looks: tuple[PlannedLook, ...]
    links: tuple[KnownLink, ...]
    extents: dict[str, int] = {}
    """Elements along the free axes of each item; empty where all inputs are of one length."""
    lossless: bool = False
    hosts: tuple[NodeProfile, ...]
    """Who hosts the model, with nothing but that model, times as learned; the deciding node comes first."""
