"""What a mesh of real daemons is set up with: links, prices, devices' appetites, and who chooses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from meshd.core.node import DeviceClass
from meshd.core.settings import Settings
from meshd.demo.device import Place
from model_registry.power import PowerModel
from policies.mesh.question import HOUSEHOLD

_WATCH, _PHONE, _HUB = HOUSEHOLD
_ROOM_BYTES = 2**30
"""For models: a daemon counts what this machine takes for stand-ins, which is no device's."""


class Shape(Struct, frozen=True, kw_only=True):
    """How slow both directions between two nodes are made."""

    between: tuple[DeviceClass, DeviceClass]
    rate_bps: float
    delay_s: float
    """One way."""
    jitter_s: float = 0.0
    """Most that chance adds to the delay."""

    def other_than(self, name: DeviceClass) -> DeviceClass | None:
        """Return who is at the other end; none where the node is at neither."""
        first, second = self.between
        return {first: second, second: first}.get(name)


SHAPES = (
    Shape(between=(_WATCH, _PHONE), rate_bps=2e6, delay_s=0.008, jitter_s=0.002),
    Shape(between=(_WATCH, _HUB), rate_bps=5e6, delay_s=0.006, jitter_s=0.002),
    Shape(between=(_PHONE, _HUB), rate_bps=30e6, delay_s=0.003, jitter_s=0.001),
)
"""A watch's radio, and a home network: the middle of what the family ``home`` is drawn from."""


class Form(Struct, frozen=True, kw_only=True):
    """One mesh."""

    shapes: tuple[Shape, ...] = SHAPES
    settings: Settings = Settings()
    """Of every node's scheduler."""
    powers: Mapping[DeviceClass, PowerModel] = {}
    """In place of the classes' own figures."""
    policy: str = "least-expected-cost"
    """As ``scheduler.policy`` takes it."""
    models: Path | None = None
    """Folder with a directory of bundles for each node; none: what ships with meshd."""
    hosts: Mapping[DeviceClass, tuple[str, ...]] = {}
    """As ``models.host`` takes it; a node that is not named hosts all that it finds."""

    def place(self, name: DeviceClass) -> Place:
        """Return where a device of this mesh stands."""
        return Place(
            tables={
                "scheduler": {**_told(self.settings), "policy": self.policy},
                "shaping": {"peers": self._shapes_of(name)},
                "energy": {**_told(self.powers.get(name)), "simulate_battery": name is not _HUB},
                "mqtt": {"embedded": False},
                "models": self._models_of(name),
            }
        )

    def _models_of(self, name: DeviceClass) -> dict[str, Any]:
        known = {"warm": [], "host": list(self.hosts.get(name, ()))}
        if self.models is None:
            return known
        return known | {"dir": str(self.models / name.value), "memory_budget_bytes": _ROOM_BYTES}

    def _shapes_of(self, name: DeviceClass) -> dict[str, dict[str, float]]:
        return {
            other.value: {"rate_bps": shape.rate_bps, "delay_s": shape.delay_s, "jitter_s": shape.jitter_s}
            for shape in self.shapes
            if (other := shape.other_than(name)) is not None
        }


def _told(table: Struct | None) -> dict[str, Any]:
    """Return what a configuration says of a struct; TOML has no word for none."""
    return {name: value for name, value in msgspec.to_builtins(table or {}).items() if value is not None}
