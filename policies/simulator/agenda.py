"""What will happen, by time: a heap of deeds, each a value, so that a copy of a world is a copy of a list."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

from msgspec import Struct

from meshd.core.ids import RequestId
from meshd.core.node import HostedTier
from policies.simulator.mail import Mail


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """Mail reaches the end of a link, unless the session has ended by then."""

    sender: int
    receiver: int
    session: int
    mail: Mail
    n_bytes: float
    request: int
    """Number of the arrival that it is for."""
    is_awake: bool = False
    """Whether the receiver's radio has been woken for it."""


class SessionEnd(Struct, frozen=True, kw_only=True, gc=False):
    """A node learns that its session with a peer is over."""

    place: int
    life: int
    peer: int
    left: bool


class RunEnd(Struct, frozen=True, kw_only=True, gc=False):
    """A run is done."""

    place: int
    life: int
    """Of the node: what a node began before it died is never done."""
    run: int


class Loaded(Struct, frozen=True, kw_only=True, gc=False):
    """A model is in memory that no request waited for."""

    place: int
    life: int
    tier: HostedTier
    load_s: float


class Handled(Struct, frozen=True, kw_only=True, gc=False):
    """A request that came has been read and checked."""

    place: int
    life: int
    request_id: RequestId


class Alarm(Struct, frozen=True, kw_only=True, gc=False):
    """A scheduler asked to be woken."""

    place: int
    life: int


class Empty(Struct, frozen=True, kw_only=True, gc=False):
    """A battery is empty, unless it was charged meanwhile."""

    place: int
    life: int


class Leave(Struct, frozen=True, kw_only=True, gc=False):
    """A node has said all that it had to say before it leaves."""

    place: int
    life: int


Deed = Delivery | SessionEnd | RunEnd | Loaded | Handled | Alarm | Empty | Leave


class Agenda:
    """Deeds in the order of time; those of one moment in the order in which they were put down."""

    def __init__(self) -> None:
        self._deeds: list[tuple[float, int, Deed]] = []
        self._n_put = 0

    @property
    def next_s(self) -> float:
        """Return when the next deed is due; infinity where nothing is."""
        return self._deeds[0][0] if self._deeds else inf

    def carries(self, request: int) -> bool:
        """Tell whether mail for an arrival is under way."""
        return any(isinstance(deed, Delivery) and deed.request == request for _, _, deed in self._deeds)

    def put(self, at_s: float, deed: Deed) -> None:
        """Put down what is to happen then."""
        self._n_put += 1
        heappush(self._deeds, (at_s, self._n_put, deed))

    def take(self) -> tuple[float, Deed]:
        """Return the next deed, and when it is due."""
        at_s, _, deed = heappop(self._deeds)
        return at_s, deed
