"""Which kind of plan wins, by how fast the link is and how much faster the device at its other end.

Every point is a decision: a planner and a policy on a made-up mesh of two nodes, of which one is so many times faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.candidate import Candidate
from meshd.core.estimate import Estimate
from meshd.core.ids import NodeId
from meshd.core.link import Link
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier, NodeProfile, Telemetry
from meshd.core.outlook import outlook
from meshd.core.plan import RAW
from meshd.core.policy import Policy
from meshd.core.request import Request
from meshd.core.settings import Settings

_THERE = NodeId("there")


class Kind(Struct, frozen=True, kw_only=True, order=True):
    """What plans of one colour have in common."""

    head: int | None
    """Stages that run here: none of them for 0, all of them for none."""
    codec: str = RAW
    """How what crosses is encoded."""
    shared: bool = False
    """Whether both run the whole, for different items of the batch."""

    @classmethod
    def of(cls, candidate: Candidate) -> Kind:
        """Return the kind of a plan."""
        if candidate.shares:
            return cls(head=None, shared=True)
        if len(candidate.legs) > 1:
            return cls(head=candidate.legs[0].last, codec=candidate.legs[1].codec)
        return cls(head=None) if candidate.here else cls(head=0, codec=candidate.codec)

    @property
    def label(self) -> str:
        """Return how a person would name it."""
        if self.shared:
            return "batch shared"
        encoded = "" if self.codec == RAW else f", {self.codec}"
        if self.head is None:
            return "whole here"
        return f"whole there{encoded or ', raw'}" if self.head == 0 else f"split at {self.head}{encoded}"


class Ground(Struct, frozen=True, kw_only=True):
    """What a map is drawn for."""

    here: NodeProfile
    """The weaker device, with the tiers as it runs them."""
    there: NodeProfile
    """The stronger one; the map makes it as fast as each row asks for, and gives it the same tiers."""
    request: Request
    rtt_s: float


class Point(Struct, frozen=True, kw_only=True):
    """One decision."""

    kind: Kind
    seconds: float
    """Predicted for what was chosen."""
    here_s: float
    """Predicted for the whole here."""


class Mark(Struct, frozen=True, kw_only=True):
    """A place on a map: a device that there is."""

    name: str
    rate_bps: float
    ratio: float


class PlanMap(Struct, frozen=True, kw_only=True):
    """The decisions over a grid: a row for each ratio, a column for each rate."""

    rates_bps: tuple[float, ...]
    ratios: tuple[float, ...]
    rows: tuple[tuple[Point, ...], ...]

    @property
    def kinds(self) -> list[Kind]:
        """Return the kinds that win somewhere: whole here, the cuts from the last to the first, whole there."""
        found = {point.kind for row in self.rows for point in row}
        return sorted(found, key=lambda kind: (kind.shared, -1e9 if kind.head is None else -kind.head, kind.codec))


def draw(
    ground: Ground, settings: Settings, policy: Policy, *, rates_bps: Iterable[float], ratios: Iterable[float]
) -> PlanMap:
    """Decide at every point of a grid."""
    columns = tuple(rates_bps)
    lines = tuple(ratios)
    rows = tuple(tuple(_decide(ground, settings, policy, rate, ratio) for rate in columns) for ratio in lines)
    return PlanMap(rates_bps=columns, ratios=lines, rows=rows)


def _decide(ground: Ground, settings: Settings, policy: Policy, rate_bps: float, ratio: float) -> Point:
    view = _mesh(ground, settings, rate_bps, ratio)
    decided = outlook(view, settings, policy, ground.request, now=0.0)
    chosen = decided.chosen
    assert chosen is not None, "the whole can always run here"
    here = next(c for c in decided.observation.candidates if c.here and not c.legs and not c.shares)
    return Point(kind=Kind.of(chosen), seconds=chosen.prediction.total_s, here_s=here.prediction.total_s)


def _mesh(ground: Ground, settings: Settings, rate_bps: float, ratio: float) -> MeshView:
    """Return what the weaker device sees: both are idle, all models are warm, and the link is known."""
    here = ground.here
    there = replace(ground.there, node_id=_THERE, hosted=faster(here.hosted, ratio), incarnation=1)
    warm = Telemetry(warm=tuple(hosted.artifact for hosted in here.hosted))
    view = MeshView(here, settings, 0.0)
    view.own.telemetry = warm
    view.connected(there, warm, 0.0)
    node = view.peer(_THERE)
    assert node is not None, "it has just connected"
    node.link = Link(rtt_s=Estimate(mean=ground.rtt_s, variance=0.0, at_s=0.0), byte_s=8.0 / rate_bps)
    view.radio.used(0.0)
    return view


def faster(hosted: Sequence[HostedTier], ratio: float) -> tuple[HostedTier, ...]:
    """Return the tiers as a device runs them that is so many times as fast."""
    return tuple(
        replace(
            tier,
            compute_s=tier.compute_s / ratio,
            load_s=tier.load_s / ratio,
            stages=tuple(replace(stage, compute_s=stage.compute_s / ratio) for stage in tier.stages),
        )
        for tier in hosted
    )
