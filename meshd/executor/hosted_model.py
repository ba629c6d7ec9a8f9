"""One variant that this node can run: its contracts, its timings, and its session while it is warm."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from threading import Lock

from typing_extensions import override

from meshd.core.growth import growth_at
from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass, HostedTier
from meshd.errors import ExecutionFailed, ModelUnusable
from meshd.executor.hosted_section import HostedSection
from meshd.executor.hosted_tier import max_items, to_hosted_tier
from meshd.executor.input_contract import InputContract
from meshd.executor.length import Lengths
from meshd.executor.median_window import MedianWindow
from meshd.executor.output_contract import OutputContract
from meshd.executor.profile import Profile
from meshd.executor.resident import Resident
from meshd.executor.stage_times import StageTimes
from meshd.executor.tensor_rule import Extents
from model_registry.admission.admitted import Admitted
from model_registry.errors import ModelUnreadable
from model_registry.manifest import Manifest
from model_registry.runtime.disagreement import disagreements
from model_registry.runtime.renamed_session import open_variant
from model_registry.runtime.session import Session
from model_registry.tier import Tier, Variant

HostedKey = tuple[ModelName, DeviceClass, ArtifactHash]
"""What a hosted model is asked for by: two tiers may run one artifact and read its outputs differently."""


class HostedModel(Resident):
    """A variant with all that running it needs. Timings are learnt by the thread of the event loop only."""

    def __init__(self, manifest: Manifest, tier: Tier, variant: Variant) -> None:
        super().__init__(InputContract(manifest), OutputContract(tier, manifest.axes), memory_bytes=variant.size_bytes)
        self.manifest = manifest
        self.tier = tier
        self.variant = variant
        self.artifact = ArtifactHash(variant.artifact)
        self.admitted: Admitted | None = None
        """What its trial has shown; none before it."""
        self.n_stages = len(variant.split.stages) if variant.split else 1
        self.stage_times = StageTimes.of(variant.split) if variant.split else StageTimes([1.0])
        self.stages_ready = False
        """Whether every stage was admitted by itself; until then ranges of them are neither told of nor run."""
        self.max_items = max_items(manifest, tier)
        self.lengths = Lengths(manifest)
        self.sizes: tuple[int, ...] = ()
        """Bytes of one item of the longer inputs that it was timed with."""
        self._growth: tuple[float, ...] = ()
        self._shortest_bytes = self.lengths.item_bytes({})
        self._compute_s = MedianWindow()
        self._adding = Lock()
        # Never changed in place: threads that make room look through it while others add to it.
        self._sections: Mapping[tuple[int, int], HostedSection] = {}

    @override
    def __str__(self) -> str:
        return f"{self.manifest.name}/{self.tier.name}/{self.variant.name}"

    @property
    def key(self) -> HostedKey:
        """Return what it is asked for by."""
        return ModelName(self.manifest.name), DeviceClass(self.tier.name), self.artifact

    @property
    @override
    def compute_s(self) -> float:
        """Median seconds that one item of the smallest input takes, by the latest runs; infinite before the first."""
        median = self._compute_s.median()
        return inf if median is None else median

    @property
    @override
    def file_bytes(self) -> int:
        return self.variant.size_bytes

    @property
    def residents(self) -> tuple[Resident, ...]:
        """Return the whole model and the ranges of its stages that were asked for so far."""
        return self, *self._sections.values()

    @property
    def warm_ranges(self) -> tuple[tuple[int, int], ...]:
        """Return the ranges of stages that are in memory by themselves."""
        return tuple(span for span, section in self._sections.items() if section.session)

    @property
    def latest_use_s(self) -> float:
        """Return when it, or a part of it, ended a run last."""
        return max(resident.last_used_s for resident in self.residents)

    def part(self, first: int, last: int | None) -> Resident:
        """Return what runs stages [first, last); None is behind the last one.

        Raises:
            ExecutionFailed: it has no such stages, or they were not admitted.
        """
        until = self.n_stages if last is None else last
        if (first, until) == (0, self.n_stages):
            return self
        if not 0 <= first < until <= self.n_stages:
            raise ExecutionFailed(f"{self} has {self.n_stages} stages, and {first} to {until} were asked for.")
        if not self.stages_ready:
            raise ExecutionFailed(f"the stages of {self} are not admitted on this node.")
        with self._adding:
            found = self._sections.get((first, until))
            if found is None:
                found = HostedSection(self, first, until)
                self._sections = {**self._sections, (first, until): found}
            return found

    @override
    def opened(self, content: bytes, *, threads: int) -> Session:
        try:
            session = open_variant(content, self.variant, threads=threads)
        except ModelUnreadable as error:
            raise ModelUnusable(f"{self}: {error.message}", hint=error.hint) from error
        flaws = list(disagreements(session, self.manifest.inputs, self.tier.outputs, self.manifest.axes))
        if flaws:
            raise ModelUnusable(
                f"{self} is not what its manifest says: {'; '.join(flaws)}.", hint="Correct the manifest."
            )
        return session

    @override
    def work_of(self, extents: Extents, items: int) -> float:
        if not self.sizes:
            return items
        return items * growth_at(self.lengths.item_bytes(extents), self._shortest_bytes, self.sizes, self._growth)

    def work_of_stages(self, first: int, last: int, extents: Extents, items: int) -> float:
        """Return the same of stages [first, last)."""
        if not self.sizes:
            return items
        item_bytes, whole_s = self.lengths.item_bytes(extents), self.compute_s
        timings = self.stage_times.timings(whole_s)[first:last]
        growth = (
            growth_at(item_bytes, self._shortest_bytes, self.sizes, timing.growth or self._growth) for timing in timings
        )
        longer_s = sum(timing.seconds * times for timing, times in zip(timings, growth, strict=True))
        seconds = sum(timing.seconds for timing in timings)
        return items * longer_s / seconds if 0.0 < seconds < inf else self.work_of(extents, items)

    @override
    def learn(self, compute_s: float, *, work: float, now_s: float) -> None:
        self._compute_s.add(compute_s / work, now_s)

    def adopt(self, profile: Profile) -> None:
        """Start from what was measured earlier."""
        self._compute_s.calibrate(profile.compute_s)
        self.load_s = profile.load_s
        self.sizes, self._growth = profile.sizes or (), profile.growth

    def to_hosted_tier(self) -> HostedTier:
        """Return what the mesh must know of it, with the timings of its profile.

        What runs take is learned by who asks for them, and forgotten for what is told here: an hour in which the device
        was overloaded must not come back by it.
        """
        careful_s = self._compute_s.careful()
        compute_s = inf if careful_s is None else careful_s
        return to_hosted_tier(
            self.manifest,
            self.tier,
            self.variant,
            compute_s=compute_s,
            load_s=self.load_s,
            stages=self.stage_times.careful(compute_s) if self.stages_ready else (),
            sizes=self.sizes,
            growth=self._growth,
        )
