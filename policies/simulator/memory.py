"""Which models a node has in memory: what takes little to load again, for the room it takes, makes room first.

The rule is the daemon's (``meshd/executor/memory_budget.py``): each use lifts a model to the seconds that loading it
takes, per byte, above the height of what had to go last, and the lowest goes.
"""

from __future__ import annotations

from meshd.core.ids import ArtifactHash
from policies.scenario import Hosting, Node


class Memory:
    """Warm models within a number of bytes. Stages of a model are in memory with the whole of it."""

    def __init__(self, node: Node, now: float) -> None:
        self._limit_bytes = node.memory_bytes
        self._bytes: dict[ArtifactHash, int] = {}
        self._ready_s: dict[ArtifactHash, float] = {}
        """When each is, or was, loaded; used longest ago first."""
        self._heights: dict[ArtifactHash, float] = {}
        self._gone_height = 0.0
        self.loaded_s = now
        """When the last of them is, or was."""
        self._warm: tuple[ArtifactHash, ...] | None = None
        """What is loaded, once that is all of them."""
        by_artifact = {hosting.announced.artifact: hosting for hosting in node.hosted}
        for artifact in node.warm:
            self._take_in(by_artifact[artifact], now)

    @property
    def free_bytes(self) -> int:
        """Return what is left beside all that is loaded."""
        return self._limit_bytes - sum(self._bytes.values())

    def warm(self, now: float) -> tuple[ArtifactHash, ...]:
        """Return what is loaded, in an order that does not depend on use."""
        if self._warm is not None:
            return self._warm
        warm = tuple(sorted([artifact for artifact, ready_s in self._ready_s.items() if ready_s <= now]))
        if now >= self.loaded_s:
            self._warm = warm
        return warm

    def use(self, hosting: Hosting, now: float, *, load_s: float) -> float:
        """Return the seconds until a model is warm: ``load_s`` where it is cold, less where somebody is loading it."""
        artifact = hosting.announced.artifact
        ready_s = self._ready_s.pop(artifact, None)
        if ready_s is None:
            self._take_in(hosting, now + load_s)
            return load_s
        self._ready_s[artifact] = ready_s
        self._lift(hosting)
        return max(0.0, ready_s - now)

    def _take_in(self, hosting: Hosting, ready_s: float) -> None:
        self._make_room(hosting.memory_bytes)
        self._ready_s[hosting.announced.artifact] = ready_s
        self._bytes[hosting.announced.artifact] = hosting.memory_bytes
        self.loaded_s, self._warm = max(self.loaded_s, ready_s), None
        self._lift(hosting)

    def _lift(self, hosting: Hosting) -> None:
        height = self._gone_height + hosting.load_s / max(hosting.memory_bytes, 1)
        self._heights[hosting.announced.artifact] = height

    def _make_room(self, n_bytes: int) -> None:
        while self._bytes and sum(self._bytes.values()) + n_bytes > self._limit_bytes:
            lowest = min(self._ready_s, key=self._heights.__getitem__)  # The one used longest ago of those alike.
            self._gone_height = max(self._gone_height, self._heights.pop(lowest))
            del self._ready_s[lowest], self._bytes[lowest]
