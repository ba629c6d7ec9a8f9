"""The devices that advice is given for: a typical one of each class, and the nodes of the mesh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from model_registry.advice.device import Device
from model_registry.device_class import device_class, device_classes
from model_registry.manifest import Manifest
from model_registry.measured import Cost
from model_registry.power import PowerModel
from model_registry.tier import Tier, Variant

if TYPE_CHECKING:
    from meshd.core.node import DeviceClass
    from meshd.documents import ModelsDocument, PeersDocument, StatusDocument

_BARE_DAEMON_BYTES = 76_000_000
"""What a daemon occupies before its first model. Source: docs/decisions/0004-memory.md."""


def classes() -> dict[str, Device]:
    """Return a typical device of each class by its name, weakest first."""
    return {name: Device.typical(kind) for name, kind in device_classes().items()}


def nodes(status: StatusDocument, peers: PeersDocument) -> dict[str, Device]:
    """Return the node that was asked and its living peers, by name."""
    own = _node(status.name, status.device_class, status.power, status.memory.free_bytes)
    return {own.name: own, **{device.name: device for device in _living(peers)}}


def with_measured(manifest: Manifest, models: ModelsDocument) -> Manifest:
    """Return the manifest with what the nodes of the mesh measured of its artifacts among their costs."""
    measured: dict[str, list[Cost]] = {}
    for model in models.models:
        for tier in model.tiers:
            costs = [_measured(host.node, host.compute_s) for host in tier.hosts if host.compute_s > 0]
            measured.setdefault(tier.artifact, []).extend(costs)
    return replace(manifest, tiers=tuple(_tier(tier, measured) for tier in manifest.tiers))


def _tier(tier: Tier, measured: Mapping[str, Sequence[Cost]]) -> Tier:
    return replace(tier, variants=tuple(_variant(variant, measured) for variant in tier.variants))


def _variant(variant: Variant, measured: Mapping[str, Sequence[Cost]]) -> Variant:
    return replace(variant, costs=(*variant.costs, *measured.get(variant.artifact, ())))


def _measured(node: str, compute_s: float) -> Cost:
    return Cost(device=node, p50_ms=compute_s * 1e3, source=f"measured by {node}, which hosts it")


def _living(peers: PeersDocument) -> Iterator[Device]:
    for peer in peers.peers:
        if peer.state == "alive" and peer.device_class and peer.power:
            free_bytes = peer.telemetry.free_memory_bytes if peer.telemetry else None
            yield _node(peer.name, peer.device_class, peer.power, free_bytes)


def _node(name: str, kind: DeviceClass, power: PowerModel, free_bytes: int | None) -> Device:
    """Return a node; a model is measured with the process around it, and most of that is there already."""
    memory_bytes = None if free_bytes is None else free_bytes + _BARE_DAEMON_BYTES
    return Device.node(name, device_class(kind.value), power, memory_bytes=memory_bytes)
