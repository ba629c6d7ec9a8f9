"""From what a daemon knows to what the map shows: decisions between two devices, and the mesh that there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from meshd.cli.view.words import duration, size
from meshd.core.ids import NodeId, RequestId
from meshd.core.node import DeviceClass, HostedTier, NodeProfile
from meshd.core.plan_map import Ground, Mark, PlanMap, draw
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Request
from meshd.errors import InvalidInput
from meshd.plan_document import PlanDocument
from model_registry.device_class import device_class

_RATES_BPS = (1e5, 1e9)
_RATIOS = (1.0, 100.0)
_COLUMNS, _ROWS = 128, 80
_NEAR = 1.4
"""Times: devices that differ by less are one mark, for their names would lie on top of each other."""
_USUAL_RTT_S = 0.002
"""Of a home's Wi-Fi when nothing else is on the air; where no link was measured."""


class Scene(Struct, frozen=True, kw_only=True):
    """A map and what is written around it."""

    map: PlanMap
    title: str
    subtitle: str
    marks: tuple[Mark, ...]


def scene_of(document: PlanDocument) -> Scene:
    """Decide at every point between the deciding node and a peer that is faster by so much.

    The peer is the fastest of those that host the model, or a hub where there is none.

    Raises:
        InvalidInput: the deciding node hosts nothing of the model, so that nobody knows how fast it is.
    """
    here, *others = document.hosts
    if not here.hosted:
        hint = f"Ask one that does: --from {others[0].name}." if others else "`meshd models` lists who hosts what."
        raise InvalidInput(f"{here.name} does not host {document.model}.", hint=hint)
    tier = _adding_up(here.hosted[-1])
    there = min(others, key=lambda other: _item_s(other, tier), default=_hub(here))
    rtts_s = [link.rtt_s for link in document.links if link.measured]
    ground = Ground(
        here=replace(here, hosted=(tier,)),
        there=there,
        request=_request(document),
        rtt_s=min(rtts_s, default=_USUAL_RTT_S),
    )
    plans = draw(
        ground,
        document.settings,
        LeastExpectedCost(),
        rates_bps=_steps(*_RATES_BPS, _COLUMNS),
        ratios=_steps(*_RATIOS, _ROWS),
    )
    return Scene(
        map=plans,
        title=f"{document.model}: where it runs",
        subtitle=_subtitle(document, here, tier, ground.rtt_s),
        marks=tuple(_together(list(_marks(document, tier)))),
    )


def _adding_up(tier: HostedTier) -> HostedTier:
    """Return the tier with stages that together take what the whole takes.

    Both were learned from different runs, so that they differ by what else the device did, and on a map that would
    look like a gain of splitting.
    """
    parts_s = sum(stage.compute_s for stage in tier.stages)
    if parts_s <= 0.0:
        return tier
    scale = tier.compute_s / parts_s
    return replace(tier, stages=tuple(replace(stage, compute_s=stage.compute_s * scale) for stage in tier.stages))


def _steps(first: float, last: float, count: int) -> Iterator[float]:
    """Yield numbers from first to last whose ratios are all the same."""
    return (first * (last / first) ** (k / (count - 1)) for k in range(count))


def _item_s(node: NodeProfile, tier: HostedTier) -> float:
    """Return what one item takes there: of the same artifact, or else of the tier that comes nearest."""
    same = next((hosted for hosted in node.hosted if hosted.artifact == tier.artifact), None)
    return (same or min(node.hosted, key=lambda hosted: abs(hosted.tier.rank - tier.tier.rank))).compute_s


def _hub(here: NodeProfile) -> NodeProfile:
    hub = DeviceClass.HUB
    return replace(here, node_id=NodeId("hub"), name="hub", device_class=hub, power=device_class(hub).power)


def _request(document: PlanDocument) -> Request:
    return Request(
        request_id=RequestId("map"),
        model=document.model,
        input_bytes=document.input_bytes,
        deadline_s=document.deadline_s,
        batch=document.batch,
        priority=document.priority,
        privacy=document.privacy,
    )


def _subtitle(document: PlanDocument, here: NodeProfile, tier: HostedTier, rtt_s: float) -> str:
    items = "one item" if document.batch == 1 else f"{document.batch} items"
    whole = duration(tier.compute_s * document.batch)
    return (
        f"decided by {here.name}, where {items} of {size(document.input_bytes)} "
        f"take{'s' if document.batch == 1 else ''} {whole}; round trip {duration(rtt_s)}; "
        f"a second is worth {document.settings.price_watts(document.priority):g} J"
    )


def _marks(document: PlanDocument, tier: HostedTier) -> Iterator[Mark]:
    """Yield a mark for each peer that there is: its link, and how much faster it is."""
    links = {link.node_id: link for link in document.links}
    for node in document.hosts[1:]:
        link = links.get(node.node_id)
        if link is not None and link.rate_bps is not None and _item_s(node, tier) > 0.0:
            yield Mark(name=node.name, rate_bps=link.rate_bps, ratio=tier.compute_s / _item_s(node, tier))


def _together(marks: Sequence[Mark]) -> Iterator[Mark]:
    """Yield one mark for those that would lie on top of each other."""
    left = list(marks)
    while left:
        first = left.pop(0)
        near = [mark for mark in left if _is_near(first.rate_bps, mark.rate_bps) and _is_near(first.ratio, mark.ratio)]
        left = [mark for mark in left if mark not in near]
        yield replace(first, name=", ".join(mark.name for mark in (first, *near)))


def _is_near(one: float, two: float) -> bool:
    return max(one, two) < _NEAR * min(one, two)
