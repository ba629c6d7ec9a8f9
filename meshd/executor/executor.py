"""Runs stages: short ones at once in the event loop, long ones and cold ones in a few worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from time import monotonic, perf_counter
from typing import Any, Protocol

from numpy.typing import NDArray

from meshd import log
from meshd.core.ids import ArtifactHash
from meshd.core.node import HostedTier
from meshd.errors import Cancelled, ExecutionFailed, InvalidInput, ModelUnusable
from meshd.executor.admissions import Admission
from meshd.executor.hosted_model import HostedKey, HostedModel
from meshd.executor.hosted_tier import to_hosted_tier
from meshd.executor.profile import Profile, measure
from meshd.executor.profile_cache import ProfileCache
from meshd.executor.stage import Done, Stage, StageEnd
from meshd.host import memory
from model_registry.admission.admitted import Admitted
from model_registry.errors import Refused, RegistryError
from model_registry.manifest import Manifest
from model_registry.runtime.session import Session
from model_registry.tier import Tier, Variant

Array = NDArray[Any]

INLINE_BELOW_S = 0.001
"""A thread hop costs 20 microseconds and more when cores are busy; blocking the loop costs everyone else up to this.

Source: docs/decisions/0003-executor.md.
"""


class ArtifactSource(Protocol):
    """Where model files come from; :class:`model_registry.store.ModelStore` is one."""

    def read_artifact(self, sha256: str) -> bytes:
        """Return an artifact's content, hashed and found right. Raises a RegistryError otherwise."""


class Executor:
    """Hosts models within a memory budget and runs them. All methods belong to the event loop's thread.

    Models are warm (in memory) or cold. A stage for a cold one loads it first; when the budget is exceeded, the
    one unused for longest is made cold.
    """

    def __init__(
        self,
        store: ArtifactSource,
        *,
        slots: int,
        memory_budget_bytes: int,
        admission: Admission,
        inline_below_s: float = INLINE_BELOW_S,
        threads: int = 1,
        profiles: ProfileCache | None = None,
    ) -> None:
        self._store = store
        self._budget_bytes = memory_budget_bytes
        self._admission = admission
        self._inline_below_s = inline_below_s
        self._threads = threads
        self._profiles = profiles
        # Never changed in place: threads that make room look through it while the loop takes models in.
        self._models: Mapping[HostedKey, HostedModel] = {}
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="stage")
        self._loading = Lock()  # One at a time: what a load adds to the process's memory is measured.
        self._log = log.get_logger()
        self.on_unloadable: Callable[[ArtifactHash], None] = lambda _artifact: None
        """Hears of a model that was needed and could not be brought back into memory."""

    def host(self, manifest: Manifest, tier: Tier, variant: Variant) -> HostedModel:
        """Take a model in that :meth:`prepare` finds sound. Blocks; it is warm then.

        Raises:
            ModelUnusable: as :meth:`prepare` does.
        """
        hosted = self.prepare(manifest, tier, variant)
        self.take_in(hosted)
        return hosted

    def prepare(self, manifest: Manifest, tier: Tier, variant: Variant) -> HostedModel:
        """Verify a model, admit it, load it, hold it against its manifest, run it once; nobody can ask for it yet.

        Blocks, and belongs into a thread while requests are answered.

        Raises:
            ModelUnusable: the artifact is missing or corrupt, was refused at its trial, is not what the manifest says,
                cannot be run, or does not fit into the memory budget.
        """
        hosted = HostedModel(manifest, tier, variant)
        try:
            hosted.admitted = self._admitted(hosted)
            self._load(hosted)
        except ModelUnusable as error:
            self._log.error(log.MODEL_REFUSED, model=str(hosted), reason=error.message)
            raise
        return hosted

    def needs_trial(self, manifest: Manifest, tier: Tier, variant: Variant) -> bool:
        """Tell whether preparing a model begins with a trial, which takes long."""
        return not self._admission.knows(manifest, tier, variant)

    def take_in(self, hosted: HostedModel) -> None:
        """Host a prepared model from now on."""
        self._models = {**self._models, hosted.key: hosted}

    def let_go(self, gone: HostedModel) -> None:
        """Host a model no longer; a run that goes on finishes. Whoever may still ask for it must have been told."""
        self._models = {key: hosted for key, hosted in self._models.items() if hosted is not gone}
        memory.give_back()

    def profile(self, hosted: HostedModel) -> Profile:
        """Measure a model, or remember what was measured on this machine before. Blocks for 0.3 s or three runs.

        Raises:
            ModelUnusable: it had to be loaded again and could not be, or it fails on an input of zeros.
        """
        profile = self._profiles.get(hosted.artifact) if self._profiles else None
        if profile is None:
            try:
                profile = self._measure(hosted)
            except ExecutionFailed as error:
                problem = f"{hosted} fails while it is measured: {error.message}"
                raise ModelUnusable(problem, hint="Export it again.") from error
            self._remember(hosted, profile)
        hosted.adopt(profile)
        self._log.info(log.MODEL_PROFILED, model=str(hosted), compute_ms=profile.compute_s * 1e3)
        return profile

    @property
    def hosted(self) -> tuple[HostedModel, ...]:
        """Return every model that can be asked for."""
        return tuple(self._models.values())

    def hosted_tiers(self) -> tuple[HostedTier, ...]:
        """Return what this node can run, with the present timings."""
        return tuple(
            to_hosted_tier(m.manifest, m.tier, m.variant, compute_s=m.compute_s, load_s=m.load_s) for m in self.hosted
        )

    def submit(self, key: HostedKey, inputs: Mapping[str, Array], done: Done) -> Stage:
        """Run a model on inputs, and hand its end to ``done``, exactly once; none that break its contract reach it.

        ``done`` is called in the event loop's thread: before this method returns when the model is warm and
        predicted to be short, later otherwise. Nothing is raised: whatever goes wrong is an end too.
        """
        hosted = self._models.get(key)
        if hosted is None:
            model, tier, artifact = key
            done(ExecutionFailed(f"this node does not host {model}/{tier} with artifact {artifact[:12]}."))
            return Stage()
        try:
            # Once more: the manifest may have come, or changed, since the request was let in. It takes a microsecond.
            batch = hosted.inputs.check(inputs)
        except InvalidInput as error:
            done(ExecutionFailed(error.message))
            return Stage()
        session = hosted.session
        if session is not None and hosted.compute_s * batch < self._inline_below_s:
            self._deliver(hosted, batch, _run(hosted, session, inputs), done)
            return Stage()
        loop = asyncio.get_running_loop()
        future = self._pool.submit(self._run_anyhow, hosted, inputs)
        future.add_done_callback(
            lambda ended: loop.call_soon_threadsafe(self._deliver, hosted, batch, _end_of(ended), done)
        )
        return Stage(future)

    def warm(self, artifact: ArtifactHash) -> float:
        """Load what runs a hosted artifact unless it is warm, and return the seconds that took. Blocks.

        Raises:
            ModelUnusable: it cannot be loaded.
        """
        return sum(self._load(hosted)[1] for hosted in self._running(artifact))

    def cool(self, artifact: ArtifactHash) -> None:
        """Take what runs a hosted artifact out of memory; it stays hosted. A run that goes on finishes."""
        for hosted in self._running(artifact):
            self._unload(hosted)

    def warm_artifacts(self) -> tuple[ArtifactHash, ...]:
        """Return the models in memory."""
        return tuple(dict.fromkeys(hosted.artifact for hosted in self.hosted if hosted.session))

    def close(self) -> None:
        """Cancel what waits and wait for what runs; the ends are still handed out. Blocks for the longest run."""
        self._admission.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for hosted in self._models.values():
            hosted.session = None

    def _running(self, artifact: ArtifactHash) -> list[HostedModel]:
        return [hosted for hosted in self.hosted if hosted.artifact == artifact]

    def _run_anyhow(self, hosted: HostedModel, inputs: Mapping[str, Array]) -> StageEnd:
        try:
            session, load_s = self._load(hosted)
        except ModelUnusable as error:
            self._log.error(log.MODEL_REFUSED, model=str(hosted), reason=error.message)
            return ExecutionFailed(error.message)
        return _run(hosted, session, inputs, load_s=load_s)

    def _deliver(self, hosted: HostedModel, batch: int, end: StageEnd, done: Done) -> None:
        hosted.last_used_s = monotonic()
        if isinstance(end, ExecutionFailed):
            self._log.warning(log.STAGE_FAILED, model=str(hosted), reason=end.message)
            if hosted.session is None:
                self.on_unloadable(hosted.artifact)
        elif not isinstance(end, Cancelled):
            hosted.learn(end.compute_s, batch=batch)
        done(end)

    def _load(self, hosted: HostedModel) -> tuple[Session, float]:
        """Return the model's session and the seconds that it took to get it."""
        with self._loading:
            if hosted.session is not None:
                return hosted.session, 0.0
            self._make_room_for(hosted)
            started, before = perf_counter(), memory.private_bytes()
            session = hosted.open(self._read(hosted.artifact), threads=self._threads)
            hosted.load_s = perf_counter() - started
            hosted.memory_bytes = max(hosted.variant.size_bytes, memory.private_bytes() - before)
            self._make_room_for(hosted)
            hosted.session, hosted.last_used_s = session, monotonic()
        self._log.info(log.MODEL_LOADED, model=str(hosted), load_ms=hosted.load_s * 1e3)
        return session, hosted.load_s

    def _make_room_for(self, hosted: HostedModel) -> None:
        if hosted.memory_bytes > self._budget_bytes:
            raise ModelUnusable(
                f"{hosted} takes {hosted.memory_bytes / 1e6:.1f} MB and the budget for models is "
                f"{self._budget_bytes / 1e6:.1f} MB.",
                hint="Raise the budget or host a smaller variant.",
            )
        others = [m for m in self._models.values() if m.session and m is not hosted]
        others.sort(key=lambda m: m.last_used_s, reverse=True)
        while sum(m.memory_bytes for m in others) + hosted.memory_bytes > self._budget_bytes:
            self._unload(others.pop())

    def _unload(self, hosted: HostedModel) -> None:
        hosted.session = None
        memory.give_back()
        self._log.info(log.MODEL_UNLOADED, model=str(hosted))

    def _admitted(self, hosted: HostedModel) -> Admitted:
        try:
            return self._admission.admit(
                lambda: self._read(hosted.artifact), hosted.manifest, hosted.tier, hosted.variant
            )
        except Refused as refused:
            raise ModelUnusable(refused.message, hint=refused.hint) from refused

    def _read(self, artifact: ArtifactHash) -> bytes:
        try:
            return self._store.read_artifact(artifact)
        except RegistryError as error:
            raise ModelUnusable(error.message, hint=error.hint) from error
        except OSError as error:
            raise ModelUnusable(f"Artifact {artifact} cannot be read: {error}.", hint="Check the disk.") from error

    def _measure(self, hosted: HostedModel) -> Profile:
        session, _ = self._load(hosted)
        inputs = hosted.inputs.smallest()
        batch = hosted.batch_of(inputs)
        return measure(lambda: hosted.run(session, inputs).compute_s / batch, load_s=hosted.load_s)

    def _remember(self, hosted: HostedModel, profile: Profile) -> None:
        if self._profiles is not None:
            self._profiles.put(hosted.artifact, profile)
            with suppress(OSError):  # On a full disk the next start measures again.
                self._profiles.save()


def _run(hosted: HostedModel, session: Session, inputs: Mapping[str, Array], *, load_s: float = 0.0) -> StageEnd:
    try:
        return hosted.run(session, inputs, load_s=load_s)
    except ExecutionFailed as error:
        return error


def _end_of(future: Future[StageEnd]) -> StageEnd:
    if future.cancelled():
        return Cancelled("the run was called off before it began.")
    if fault := future.exception():
        return ExecutionFailed(f"the executor failed: {fault!r}")
    return future.result()
