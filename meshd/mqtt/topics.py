"""Where a node publishes. The page for those who subscribe is docs/mqtt.md."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.ids import NodeId

ROOT = "meshd"
ID_LENGTH = 12
"""Hex digits of a node's id in a topic: 48 bits, so that two of a home's nodes never share one."""

ANOMALY = "anomaly"
MODEL = "model"


class Topics(Struct, frozen=True):
    """The topics of one node, all below one prefix."""

    prefix: str

    @classmethod
    def of(cls, node_id: NodeId, username: str | None) -> Topics:
        """Return a node's topics: below its login, which the broker vouches for, or else below its short id."""
        return cls(f"{ROOT}/{username or node_id[:ID_LENGTH]}")

    @property
    def status(self) -> str:
        """Retained; also where the last will goes."""
        return f"{self.prefix}/status"

    @property
    def telemetry(self) -> str:
        """The newest sample; not retained."""
        return f"{self.prefix}/telemetry"

    def events(self, kind: str) -> str:
        """Return where durable events of a kind go."""
        return f"{self.prefix}/{kind}"
