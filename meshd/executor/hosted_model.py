"""One variant that this node can run: its contracts, its timings, and its session while it is warm."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from time import perf_counter
from typing import Any

from numpy.typing import NDArray
from typing_extensions import override

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass
from meshd.errors import ExecutionFailed, ModelUnusable
from meshd.executor.input_contract import BATCH, InputContract
from meshd.executor.median_window import MedianWindow
from meshd.executor.output_contract import OutputContract
from meshd.executor.profile import Profile
from meshd.executor.stage import StageResult
from model_registry.admission.admitted import Admitted
from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.manifest import Manifest
from model_registry.runtime.disagreement import disagreements
from model_registry.runtime.renamed_session import open_variant
from model_registry.runtime.session import Session
from model_registry.tier import Tier, Variant

Array = NDArray[Any]
HostedKey = tuple[ModelName, DeviceClass, ArtifactHash]
"""What a hosted model is asked for by: two tiers may run one artifact and read its outputs differently."""


class HostedModel:
    """A variant with all that running it needs. Timings are learnt by the thread of the event loop only."""

    def __init__(self, manifest: Manifest, tier: Tier, variant: Variant) -> None:
        self.manifest = manifest
        self.tier = tier
        self.variant = variant
        self.artifact = ArtifactHash(variant.artifact)
        self.inputs = InputContract(manifest)
        self.outputs = OutputContract(tier, manifest.axes)
        self.session: Session | None = None
        self.admitted: Admitted | None = None
        """What its trial has shown; none before it."""
        self.memory_bytes = variant.size_bytes
        """What it occupies when warm: the file's size until it was loaded once, then what was measured."""
        self.load_s = 0.0
        self.last_used_s = 0.0
        self._compute_s = MedianWindow()

    @override
    def __str__(self) -> str:
        return f"{self.manifest.name}/{self.tier.name}/{self.variant.name}"

    @property
    def key(self) -> HostedKey:
        """Return what it is asked for by."""
        return ModelName(self.manifest.name), DeviceClass(self.tier.name), self.artifact

    @property
    def compute_s(self) -> float:
        """Median seconds that one item takes, over the latest runs; infinite before the first."""
        median = self._compute_s.median()
        return inf if median is None else median

    def open(self, content: bytes, *, threads: int) -> Session:
        """Load the model, hold it against its manifest, and run it once on zeros.

        Raises:
            ModelUnusable: it cannot be loaded, is not what the manifest says, or fails on zeros.
        """
        try:
            session = open_variant(content, self.variant, threads=threads)
        except ModelUnreadable as error:
            raise ModelUnusable(f"{self}: {error.message}", hint=error.hint) from error
        flaws = list(disagreements(session, self.manifest.inputs, self.tier.outputs, self.manifest.axes))
        if flaws:
            raise ModelUnusable(
                f"{self} is not what its manifest says: {'; '.join(flaws)}.", hint="Correct the manifest."
            )
        try:
            self.run(session, self.inputs.smallest())
        except ExecutionFailed as error:
            problem = f"{self} fails on the smallest input, all zeros: {error}"
            raise ModelUnusable(problem, hint="Export it again.") from error
        return session

    def run(self, session: Session, inputs: Mapping[str, Array], *, load_s: float = 0.0) -> StageResult:
        """Run once and check what comes out.

        Raises:
            ExecutionFailed: the runtime gave up.
        """
        started = perf_counter()
        names = self.outputs.names
        try:
            outputs = dict(zip(names, session.run(names, inputs), strict=True))
        except RunFailed as error:
            raise ExecutionFailed(error.message) from error
        compute_s = perf_counter() - started
        flaw = self.outputs.flaw(outputs, self.inputs.extents(inputs))
        if flaw:
            return StageResult(outputs=outputs, compute_s=compute_s, load_s=load_s, score=None, flaw=flaw)
        return StageResult(
            outputs=outputs,
            compute_s=compute_s,
            load_s=load_s,
            score=self.outputs.score(outputs),
            anomalous=self.outputs.anomalous(outputs),
        )

    def batch_of(self, inputs: Mapping[str, Array]) -> int:
        """Return how many items the inputs hold."""
        return self.inputs.extents(inputs).get(BATCH, 1)

    def learn(self, compute_s: float, *, batch: int) -> None:
        """Take the timing of a run into account."""
        self._compute_s.add(compute_s / batch)

    def adopt(self, profile: Profile) -> None:
        """Start from what was measured earlier."""
        self._compute_s.add(profile.compute_s)
        self.load_s = profile.load_s
