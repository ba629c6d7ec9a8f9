"""What was truly spent, waited and missed, each joule once, with its moment: what a reward is computed from.

The price is the core's own, on realised figures: weighted joules + ``latency_price_watts`` for each second that a
client waited, at a discount in the background, + ``miss_price_joules`` for each that waited in vain + the scenario's
price of a hidden anomaly. What a node takes whatever is decided (idling, its screen) is counted in
:meth:`Costs.joules` and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from math import exp

from msgspec import Struct

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass

NOBODY = -1
"""Stands for the number of an arrival where joules were taken for none."""


BATTERY_EMPTY = "battery_empty"
"""Code of what was asked of a node without charge."""


class Use(IntEnum):
    """What joules were taken for."""

    COMPUTE = 0
    """Running stages, encoding and decoding."""
    LOAD = 1
    RADIO = 2
    """Bytes out and in."""
    WAKE = 3
    TAIL = 4
    """A radio that stayed awake behind the last byte."""
    DEMAND = 5
    """What a node takes whatever the mesh does, idling included."""


class Charge(Struct, frozen=True, kw_only=True, gc=False):
    """Joules that one node took for one request."""

    at_s: float
    node_id: NodeId
    use: Use
    joules: float
    cost: float
    """The same, at a discount where the node was on the mains or charging."""
    request: int
    """Number of the arrival; NOBODY for a model that was loaded while no request waited for it."""


class Ended(Struct, frozen=True, kw_only=True, gc=False):
    """How a client's request ended."""

    at_s: float
    node_id: NodeId
    """Who was asked."""
    request: int
    """Number of the arrival."""
    seconds: float
    """That the client waited."""
    cost: float
    """Of the seconds, of having waited in vain and of a hidden anomaly; joules are charged apart."""
    tier: DeviceClass | None = None
    """Who answered; none: nobody did in time."""
    code: str = ""
    """Why there is no answer."""
    told_joules: float = 0.0
    """Of all nodes together, as they estimate them and a client is told."""
    hides_anomaly: bool = False
    """A larger tier would have called it anomalous, and the client was not told."""
    is_degraded: bool = False

    @property
    def is_missed(self) -> bool:
        """Tell whether there was no answer by the deadline."""
        return self.tier is None


Entry = Charge | Ended


class _Page(Struct, frozen=True, gc=False):
    """Entries that are written, and those before them: copies of a ledger share them."""

    before: _Page | None
    entries: tuple[Entry, ...]
    n_entries: int
    """Up to the end of this page."""


class Costs:
    """The ledger of one run; entries are in the order of time, and never change."""

    def __init__(self, classes: dict[NodeId, DeviceClass]) -> None:
        self.cost = 0.0
        """Of all entries, undiscounted."""
        self._classes = classes
        self._joules: dict[NodeId, list[float]] = {node_id: [0.0] * len(Use) for node_id in classes}
        self._page: _Page | None = None
        self._recent: list[Entry] = []

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._recent) + (self._page.n_entries if self._page else 0)

    def charge(self, charge: Charge) -> None:
        """Write down joules."""
        self._joules[charge.node_id][charge.use] += charge.joules
        self.cost += charge.cost
        self._recent.append(charge)

    def end(self, ended: Ended) -> None:
        """Write down the end of a client's request."""
        self.cost += ended.cost
        self._recent.append(ended)

    def demanded(self, node_id: NodeId, joules: float) -> None:
        """Take in what a node took whatever the mesh did."""
        self._joules[node_id][Use.DEMAND] += joules

    def joules(self, node_id: NodeId) -> dict[Use, float]:
        """Return what a node has taken, by what for."""
        return dict(zip(Use, self._joules[node_id], strict=True))

    def joules_by_class(self, *, with_demand: bool = False) -> dict[DeviceClass, float]:
        """Return what the nodes of each class took for requests, and whatever was decided where asked for."""
        found = dict.fromkeys(self._classes.values(), 0.0)
        for node_id, device_class in self._classes.items():
            joules = self._joules[node_id]
            found[device_class] += sum(joules) - (0.0 if with_demand else joules[Use.DEMAND])
        return found

    def since(self, n_entries: int = 0) -> list[Entry]:
        """Return what was written behind the first so many entries."""
        later, page = [self._recent], self._page
        while page is not None and page.n_entries > n_entries:
            later.append(list(page.entries))
            page = page.before
        begun = page.n_entries if page is not None else 0
        entries = [entry for part in reversed(later) for entry in part]
        return entries[n_entries - begun :]

    def discounted(self, n_entries: int, *, from_s: float, rate_per_s: float) -> float:
        """Return the cost of what was written behind so many entries, each discounted by exp(-rate * its age)."""
        if not rate_per_s:
            return sum(entry.cost for entry in self.since(n_entries))
        return sum(entry.cost * exp(-rate_per_s * (entry.at_s - from_s)) for entry in self.since(n_entries))

    @property
    def ends(self) -> Iterator[Ended]:
        """Yield how requests ended, in the order in which they did."""
        return (entry for entry in self.since() if isinstance(entry, Ended))

    @property
    def charges(self) -> Iterator[Charge]:
        """Yield all joules for requests."""
        return (entry for entry in self.since() if isinstance(entry, Charge))

    def by_request(self) -> dict[int, float]:
        """Return what each arrival has cost: its end, and all joules of all nodes for it."""
        found: dict[int, float] = {}
        for entry in self.since():
            found[entry.request] = found.get(entry.request, 0.0) + entry.cost
        return found

    def turn_page(self) -> None:
        """Have copies share what is written so far."""
        if self._recent:
            self._page = _Page(self._page, tuple(self._recent), len(self))
            self._recent = []
