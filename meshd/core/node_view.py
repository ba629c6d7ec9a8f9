"""A node as this one sees it: what it said of itself, and what using it has taught."""

from __future__ import annotations

from msgspec import Struct, field

from meshd.core.encodings import Passage
from meshd.core.estimate import Estimate
from meshd.core.handling import Handling
from meshd.core.ids import ArtifactHash, ModelName, NodeId
from meshd.core.link import Link
from meshd.core.loading import Loading
from meshd.core.node import HostedTier, NodeProfile, PeerLink, Telemetry, WarmStages
from meshd.core.settings import Settings
from meshd.core.spans import StageTimes

_ANNOUNCED_SPREAD = 0.5
"""Relative standard deviation of what a node announces and nobody has measured."""


def short(node_id: NodeId) -> str:
    """Return what telemetry calls a node."""
    return node_id[:16]


class Prospect(Struct, frozen=True, kw_only=True, gc=False):
    """What tails of one variant on a peer take at best, at one state of what is known."""

    link_version: int
    times_version: int
    own_versions: tuple[int, int, int]
    """Of the encodings, of what crosses and of the times here."""
    cuts: tuple[int, ...]
    """The stages before which both manifests let what crosses leave its node."""
    passages: tuple[Passage | None, ...]
    """The best way of what crosses before each stage; none before the first, whose input is the request's."""
    least_s: float
    """Of a head here and a tail there at the best cut, were both idle; infinity where no cut is open."""
    least_tail_s: float
    """The same of the tail and the way to it."""
    least_way_s: float
    """The same of the head and the way behind it."""


class NodeView(Struct, kw_only=True):
    """A node with the latest of what it said of itself."""

    profile: NodeProfile
    telemetry: Telemetry
    heard_s: float
    link: Link | None
    """None for this node itself."""
    learned: dict[ArtifactHash, Estimate] = {}
    """Seconds for one item of the smallest input, as measured with whatever inputs came."""
    times: StageTimes = field(default_factory=StageTimes)
    """The same for ranges of stages."""
    handling: Handling = field(default_factory=Handling)
    """What requests took, that ended there, beyond their runs and ways."""
    loading: Loading = field(default_factory=Loading)
    links: dict[str, PeerLink] = {}
    """What it tells of its own links, by the beginning of the other's id."""
    warm_ranges: dict[ArtifactHash, frozenset[tuple[int, int]]] | None = None
    """Stages in memory by themselves; none while it has not told of them."""
    codecs: frozenset[str] = frozenset()
    """What it can undo."""
    prospects: dict[str, Prospect] = {}
    """By variant, tier, size of batch, bytes of the input, and of one item's, and whether they may lose nothing, all in
    one string.

    An artifact is no variant: models that share one may list different codecs.
    """
    inputs: dict[tuple[ModelName, ArtifactHash, float, int, bool], tuple[int, int, Passage]] = {}
    """Ways of inputs by variant, bytes, items and whether they may lose nothing, each behind the versions of the link
    and of the encodings."""

    def is_busy(self, now: float) -> bool:
        """Tell whether it has a queue by what it said last, or something crosses to it for nobody."""
        return self.telemetry.backlog_s > now - self.heard_s or (
            self.link is not None and self.link.traffic.lost_until_s > now
        )

    def compute_s(self, hosted: HostedTier, now: float) -> Estimate:
        """Return what one item of the smallest input takes there: learned, or as announced."""
        known = self.learned.get(hosted.artifact)
        return known if known is not None else Estimate.prior(hosted.compute_s, now)

    def item_s(self, hosted: HostedTier, item_bytes: float = 0.0) -> float:
        """Return what one item whose input has so many bytes takes there: learned, or as announced."""
        known = self.learned.get(hosted.artifact)
        item_s = known.mean if known is not None else hosted.compute_s
        return item_s * hosted.growth_at(item_bytes) if hosted.sizes else item_s

    def item_deviation_s(self, hosted: HostedTier, now: float, item_bytes: float = 0.0) -> float:
        """Return the standard deviation of :meth:`item_s`."""
        known = self.learned.get(hosted.artifact)
        deviation_s = known.deviation(now) if known is not None else hosted.compute_s * _ANNOUNCED_SPREAD
        return deviation_s * hosted.growth_at(item_bytes) if hosted.sizes else deviation_s

    def weight(self, settings: Settings) -> float:
        """Return what a joule there counts: less where it comes from the wall."""
        on_mains = self.profile.power.battery_joules is None or self.telemetry.charging
        return settings.mains_joule_weight if on_mains else 1.0

    def load_joules(self, load_s: float) -> float:
        """Return what loading for so long takes there: one core is busy with it."""
        return load_s * self.profile.power.active_watts

    def load_s(self, hosted: HostedTier, first: int, last: int) -> float:
        """Return what loading stages [first, last) takes there: as long as the whole, or nothing where they are warm.

        Of a node that does not tell of ranges the whole is known alone.
        """
        if self.warm_ranges is None or last - first == len(hosted.stages):
            is_warm = hosted.artifact in self.telemetry.warm
        else:
            is_warm = (first, last) in self.warm_ranges.get(hosted.artifact, ())
        return 0.0 if is_warm else self.loading.cold_s(hosted, first, last)

    def end_loads_s(self, hosted: HostedTier) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return :meth:`load_s` of the stages before each, and of each and those behind it."""
        last = len(hosted.stages)
        if self.warm_ranges is None:
            loads_s = (self.load_s(hosted, 0, last),) * last
            return loads_s, loads_s
        heads_s = tuple([self.load_s(hosted, 0, cut) for cut in range(last)])
        return heads_s, tuple([self.load_s(hosted, cut, last) for cut in range(last)])

    def least_load_s(self, hosted: HostedTier) -> float:
        """Return what loading any stages takes there at least."""
        if self.warm_ranges is None:
            return self.load_s(hosted, 0, len(hosted.stages))
        return 0.0 if self.warm_ranges.get(hosted.artifact) else hosted.load_s

    def told(self, telemetry: Telemetry, now: float) -> bool:
        """Take in what it says of itself; return whether plans may come out differently now."""
        former, self.heard_s = self.telemetry, now
        is_busy = telemetry.backlog_s > 0.0  # Said again it is as long as before, and had been taken to become shorter.
        if telemetry == former and telemetry.links is None:
            return is_busy
        self.telemetry = telemetry
        if telemetry.links is not None:
            self.links = {told.node: told for told in telemetry.links}
        self.tell_warm(telemetry.warm_stages)
        return is_busy or telemetry.links is not None or telemetry.of_moment != former.of_moment

    def tell_warm(self, told: tuple[WarmStages, ...] | None) -> None:
        """Take in which ranges of stages are in memory there, where it says so."""
        if told is not None:
            self.warm_ranges = {stages.artifact: frozenset(stages.ranges) for stages in told}

    def warm_report(self) -> tuple[WarmStages, ...] | None:
        """Return what to tell others of ranges of stages in memory."""
        if self.warm_ranges is None:
            return None
        return tuple(WarmStages(artifact=known, ranges=tuple(sorted(r))) for known, r in self.warm_ranges.items())

    def forget(self, now: float) -> None:
        """Let go of what was learned a while ago: the node may have been busy then, and is not used for that."""
        self.handling.forget(now)
        for hosted in self.profile.hosted:
            if known := self.learned.get(hosted.artifact):
                self.learned[hosted.artifact] = known.forgotten(now, hosted.compute_s)
            if hosted.stages:
                self.times.forget(hosted, now)

    def begin_anew(self) -> None:
        """Let go of all that was learned of its runs: it started anew, and may have stood still before."""
        self.learned.clear()
        self.times.forget_all()
        self.handling.forget_all()

    def hosts(self, hosted: tuple[HostedTier, ...]) -> None:
        """Take in what it hosts; what was learned of the rest is not worth its memory."""
        self.learned = {h.artifact: self.learned[h.artifact] for h in hosted if h.artifact in self.learned}
        self.times.keep(hosted)
        self.loading.keep(hosted)
        self.prospects.clear()
        self.inputs.clear()
