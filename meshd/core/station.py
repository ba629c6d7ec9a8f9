"""One node as a place for stages of one variant: all that a plan needs to know of it, looked up once for a decision."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.encodings import Passage
from meshd.core.node import HostedTier
from meshd.core.node_view import NodeView


class Station(Struct, frozen=True, kw_only=True, gc=False):
    """What runs there for one request would meet and cost."""

    node: NodeView
    hosted: HostedTier
    items: int
    """Of the request's batch."""
    seconds: tuple[tuple[float, ...], ...]
    """Of one item's stages [first, last), at ``[first][last]``."""
    work: tuple[float, ...]
    """Share of the whole before each stage."""
    said_s: float
    """Wait, as the node itself says."""
    sent_items: float
    """Items that we have sent there, for each slot: they take as long as ours."""
    crowd: float
    """By how much a second there delays others."""
    head_loads_s: tuple[float, ...]
    """Of loading the stages before each."""
    tail_loads_s: tuple[float, ...]
    """Of loading each stage and those behind it."""
    weight: float
    """What a joule there counts."""
    work_joules: float
    """Of all stages."""
    load_watts: float
    """What loading takes there, as it counts."""
    wake_joules: float
    byte_joules: float
    """Of the radio, for each byte in or out."""

    def run_s(self, first: int, last: int) -> float:
        """Return the seconds of the stages [first, last)."""
        return self.seconds[first][last] * self.items

    def load_s(self, first: int, last: int) -> float:
        """Return what loading the stages [first, last) takes, where they are cold."""
        return self.node.load_s(self.hosted, first, last)

    def wait_s(self, first: int, last: int) -> float:
        """Return how long the stages [first, last) would wait if they came now."""
        sent_s = self.sent_items * self.seconds[first][last]
        return max(self.said_s, sent_s)

    def run_joules(self, first: int, last: int) -> float:
        """Return what the stages [first, last) take there."""
        return self.work_joules * (self.work[last] - self.work[first])

    def radio_joules(self, n_bytes: float) -> float:
        """Return what sending or receiving takes there."""
        return self.wake_joules + n_bytes * self.byte_joules


class Part(Struct, frozen=True, kw_only=True, gc=False):
    """Stages [first, last) at one station, and the way of their input to it."""

    station: Station
    first: int
    last: int
    passage: Passage | None = None
    """None where the input is there already."""
