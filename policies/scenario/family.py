"""The published form of a family of worlds: one TOML file, from which every seed draws another world.

Wherever a file gives ``[low, high]``, each world draws a value of its own. docs/worlds.md lists all keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from meshd.core.node import DeviceClass
from meshd.core.request import Priority, Privacy
from model_registry.flaw import Flaw, closest, repeated
from policies.scenario.dice import CountRange, PositiveRange, Range, Share, ShareRange
from policies.scenario.scenario import Split

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,30}\Z", description="a short name in small letters")]
HostedName = Annotated[
    str, Meta(pattern=r"^[a-z0-9-]+/(watch|phone|hub|upstream)\Z", description="a model and its tier: 'model/tier'")
]
Charge = Annotated[float, Meta(gt=0.0, le=1.0)]
BandwidthKind = Literal["constant", "steady", "mobile", "wild"]
"""How a rate varies: not at all, as at home, as on the way, or as it may at worst (see ``synthetic.py``)."""


class BatteryForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A battery and the day that it has to last.

    How large the miniature is, and so how many hours an episode stands for, follows from these.
    """

    fraction: tuple[Charge, Charge]
    """Charge at the start, up to 1."""
    needed: PositiveRange
    """When it is put on a charger for good, as a multiple of the horizon."""
    reach: PositiveRange
    """How long the charge would last without the mesh, as a multiple of how long it is needed. At 1.2 a sixth of it may
    be spent on inference."""
    other_watts: Range
    """Beside idling: screen, sensors, the owner's own programs."""
    charge_watts: PositiveRange = (1.0, 2.0)


class ThermalForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a device warms; see :class:`policies.scenario.node.Thermal`."""

    time_constant_s: PositiveRange = (30.0, 120.0)
    throttles_at: ShareRange = (0.35, 0.7)
    slowdown: PositiveRange = (1.3, 2.5)


class NodeForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes of one kind."""

    name: Name
    """Of the kind; where there are several they are ``name-1``, ``name-2``."""
    device_class: DeviceClass
    hosts: tuple[HostedName, ...] = ()
    count: CountRange = (1, 1)
    slots: CountRange = (1, 1)
    warm_share: ShareRange = (0.5, 0.9)
    """Memory for warm models, of what all that it hosts would take; never less than the largest."""
    battery: BatteryForm | None = None
    """None: on the mains."""
    thermal: ThermalForm | None = None
    speed_spread: Range = (0.03, 0.15)
    """See :attr:`policies.scenario.node.Node.speed_spread`."""


class LossForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spells in which nothing passes a link."""

    every_s: PositiveRange
    """Mean time from the end of one to the next."""
    lasts_s: PositiveRange


class LinkForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Links between every node of one kind and every one of another; the first kind's radio is what limits them."""

    between: tuple[Name, Name]
    kind: BandwidthKind
    rate_bps: PositiveRange
    """Mean over a trace, before losses."""
    back: PositiveRange = (0.6, 1.4)
    """Rate from the second to the first, as a share of the other direction's."""
    delay_s: Range
    jitter: Range = (0.05, 0.3)
    losses: LossForm | None = None


class PriorityShares(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares of a stream's requests; what is left is normal."""

    emergency: Share = 0.0
    background: Share = 0.0

    def of(self, share: float) -> Priority:
        """Return the priority of a request by a number in (0, 1)."""
        if share < self.emergency:
            return Priority.EMERGENCY
        return Priority.BACKGROUND if share < self.emergency + self.background else Priority.NORMAL


class StreamForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests that the clients of each node of a kind make."""

    node: Name
    model: Name
    pattern: Literal["periodic", "bursty"]
    """``bursty``: as in an arrivals file, or the built-in process that was fitted to one."""
    rate_per_s: PositiveRange
    """Mean requests a second of each node."""
    deadline_s: PositiveRange
    """Each stream's own; an emergency has a quarter of it, background work ``background_deadline_s``."""
    background_deadline_s: PositiveRange = (60.0, 180.0)
    items: CountRange = (1, 1)
    """Items of a request."""
    priorities: PriorityShares = PriorityShares()
    privacy: Privacy = Privacy.HOUSEHOLD
    largest_tier_share: Share = 0.0
    """Share of requests that ask for the model's largest tier, whatever a smaller one would say."""
    anomaly_share: ShareRange = (0.02, 0.15)
    """Share of inputs that hold an anomaly, over the whole episode; of models that raise alarms."""


class IncidentForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that befalls nodes of a kind, once or again and again, and ends."""

    kind: Literal["absence", "death", "newcomer", "stall", "charging", "slowness", "parting"]
    node: Name
    peers: tuple[Name, ...] = ()
    """Kinds that it is parted from."""
    chance: Share = 1.0
    """That it befalls a node at all."""
    first: Range
    """When it begins first, as a share of the horizon."""
    lasts: PositiveRange = (1.0, 1.0)
    """As a share of the horizon; whoever comes late stays."""
    every: PositiveRange | None = None
    """Mean time from an end to the next begin, as a share of the horizon; none: it happens once."""
    factor: PositiveRange = (1.5, 4.0)
    """Of slowness."""
    together: Name | None = None
    """Incidents of one such name, with the same figures, befall all of their nodes at the same moments."""


class PriceForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What seconds, misses and joules are weighed with; see :class:`meshd.core.settings.Settings`."""

    latency_price_watts: Range = (0.05, 0.2)
    background_second_weight: Range = (0.05, 0.2)
    miss_price_joules: Range = (0.5, 2.0)
    missed_anomaly_joules: Range = (1.0, 4.0)


class Family(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file below ``families/``."""

    schema: Literal[1]
    name: Name
    split: Split
    summary: str
    horizon_s: Annotated[float, Meta(gt=0.0, le=86_400.0)]
    prices: PriceForm = PriceForm()
    heartbeat_interval_s: Annotated[float, Meta(gt=0.0)] = 1.0
    nodes: Annotated[tuple[NodeForm, ...], Meta(min_length=1)]
    links: tuple[LinkForm, ...] = ()
    streams: Annotated[tuple[StreamForm, ...], Meta(min_length=1)]
    incidents: tuple[IncidentForm, ...] = ()

    def flaws(self) -> Iterator[Flaw]:
        """Yield what types cannot say: names that nobody bears, and ranges upside down."""
        yield from (flaw.below("nodes") for flaw in repeated((n.name for n in self.nodes), what="node"))
        kinds = {node.name for node in self.nodes}
        for path, name in self._named_nodes():
            if name not in kinds:
                yield Flaw(path, f"there is no node '{name}'.", closest(name, kinds))
        for field in ("prices", "nodes", "links", "streams", "incidents"):
            yield from _upside_down(getattr(self, field), (field,))

    def _named_nodes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for index, link in enumerate(self.links):
            yield from ((("links", index, "between"), name) for name in link.between)
        for index, stream in enumerate(self.streams):
            yield ("streams", index, "node"), stream.node
        for index, incident in enumerate(self.incidents):
            yield ("incidents", index, "node"), incident.node
            yield from ((("incidents", index, "peers"), name) for name in incident.peers)


def _upside_down(value: object, path: tuple[str | int, ...]) -> Iterator[Flaw]:
    """Yield a flaw for every range below whose first number is above its second."""
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _upside_down(getattr(value, name), (*path, name))
    elif isinstance(value, tuple):
        match value:
            case (float() | int() as low, float() | int() as high):
                if low > high:
                    yield Flaw(path, f"the range [{low:g}, {high:g}] is upside down.", "Write the lower number first.")
            case _:
                for index, item in enumerate(value):
                    yield from _upside_down(item, (*path, index))
