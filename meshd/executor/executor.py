"""Runs stages: short ones at once in the event loop, long ones and cold ones in a few worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from numpy.typing import NDArray

from meshd import log
from meshd.core.ids import ArtifactHash
from meshd.core.node import HostedTier, WarmStages
from meshd.errors import Cancelled, ExecutionFailed, InvalidInput, ModelUnusable
from meshd.executor.admissions import Admission
from meshd.executor.batch import Member, fail, run_alone, run_together
from meshd.executor.hosted_model import HostedKey, HostedModel
from meshd.executor.input_contract import BATCH
from meshd.executor.length import Length
from meshd.executor.memory_budget import MemoryBudget
from meshd.executor.profile import Profile, measure_lengths
from meshd.executor.profile_cache import ProfileCache
from meshd.executor.resident import Resident
from meshd.executor.stage import Done, Stage, StageEnd
from meshd.executor.stage_trials import StageTrials
from meshd.executor.tensor_rule import Extents
from meshd.host import memory
from model_registry.admission.admitted import Admitted
from model_registry.errors import Refused, RegistryError
from model_registry.manifest import Manifest
from model_registry.runtime.session import Session
from model_registry.tier import Tier, Variant

Array = NDArray[Any]

Checked = tuple[Manifest, Extents]
"""What inputs were held against, and what that gave."""

INLINE_BELOW_S = 0.001
"""A thread hop costs 30 to 80 microseconds, and under load a hundred times that for one in a hundred; blocking the loop
costs everyone else up to this.

Source: docs/decisions/0020-inline.md.
"""


_BEGUN = Stage()
"""One that nobody can call off any more."""


class ArtifactSource(Protocol):
    """Where model files come from; :class:`model_registry.store.ModelStore` is one."""

    def read_artifact(self, sha256: str) -> bytes:
        """Return an artifact's content, hashed and found right. Raises a RegistryError otherwise."""


class Executor:
    """Hosts models within a memory budget and runs them. All methods belong to the event loop's thread.

    Models are warm (in memory) or cold. A stage for a cold one loads it first; when the budget is exceeded, what takes
    least to load again for its size, and was not used lately, is made cold.
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
        self._budget = MemoryBudget(memory_budget_bytes, self._residents, threads=threads)
        self._admission = admission
        self._inline_below_s = inline_below_s
        self._profiles = profiles
        self._stage_trials = StageTrials(admission, profiles, self._budget, threads=threads)
        # Never changed in place: threads that make room look through it while the loop takes models in.
        self._models: Mapping[HostedKey, HostedModel] = {}
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="stage")
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
            self._load(hosted, hosted)
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
        """Measure a model, or remember what was measured on this machine before.

        Blocks for 0.3 s or five runs; where inputs are of several lengths, for up to four seconds, unless five runs of
        the shortest take longer.

        Raises:
            ModelUnusable: it had to be loaded again and could not be, or it fails on an input of zeros.
        """
        profile = self._profiles.get(hosted.artifact) if self._profiles else None
        if profile is None or (hosted.lengths.are_free and profile.sizes is None):
            try:
                profile = self._measure(hosted)
            except ExecutionFailed as error:
                problem = f"{hosted} fails while it is measured: {error.message}"
                raise ModelUnusable(problem, hint="Export it again.") from error
            if self._profiles is not None:
                self._profiles.keep({hosted.artifact: profile})
        hosted.adopt(profile)
        self._log.info(log.MODEL_PROFILED, model=str(hosted), compute_ms=profile.compute_s * 1e3)
        return profile

    def prepare_stages(self, hosted: HostedModel) -> bool:
        """Try and time the stages of a model that can be cut; tell whether ranges of them may be run from now on.

        Blocks, and belongs into a thread while requests are answered. Where a stage is refused the model stays whole.
        """
        if hosted.variant.split is None or hosted.stages_ready:
            return hosted.stages_ready
        try:
            return self._stage_trials.pass_all(hosted, self._read(hosted.artifact))
        except ModelUnusable as error:
            self._log.error(log.MODEL_REFUSED, model=str(hosted), reason=error.message)
            return False

    def warm_ends(self, hosted: HostedModel, *, tails: bool) -> None:
        """Load the heads of plans of this node, and what peers may hand it over, while memory is plentiful. Blocks.

        A cold part costs more than most cuts gain, and a peer's patience is shorter than what a large tail takes to
        load. One that cannot be loaded now is tried again when it is asked for.
        """
        for cut in range(1, hosted.n_stages if hosted.stages_ready else 0):
            for part in (hosted.part(0, cut), *((hosted.part(cut, None),) if tails else ())):
                if self._budget.can_spare(part.memory_bytes):
                    with suppress(ModelUnusable):
                        self._load(hosted, part)

    @property
    def hosted(self) -> tuple[HostedModel, ...]:
        """Return every model that can be asked for."""
        return tuple(self._models.values())

    def hosted_tiers(self) -> tuple[HostedTier, ...]:
        """Return what this node can run, with the present timings."""
        return tuple(hosted.to_hosted_tier() for hosted in self.hosted)

    def submit(
        self,
        key: HostedKey,
        inputs: Mapping[str, Array],
        done: Done,
        *,
        first: int = 0,
        last: int | None = None,
        checked: Checked | None = None,
    ) -> Stage:
        """Run a model, or stages [first, last) of it, and hand the end to ``done``, exactly once.

        What a range takes and gives are the tensors that cross before and behind it, as the manifest's cuts list them.
        Inputs that break the contract never reach the runtime; those that were ``checked`` against what is still the
        model's manifest are not looked at again. ``done`` is called in the event loop's thread:
        before this method returns when the session is warm and the run predicted to be short, later otherwise. Nothing
        is raised: whatever goes wrong is an end too.
        """
        try:
            hosted = self._hosted(key)
            runs = hosted if first == 0 and last is None else hosted.part(first, last)
            # The manifest may have come, or changed, since the request was let in.
            is_checked = first == 0 and checked is not None and checked[0] is hosted.manifest
            extents = checked[1] if is_checked and checked else runs.inputs.checked(inputs)
        except (ExecutionFailed, InvalidInput) as error:
            done(error if isinstance(error, ExecutionFailed) else ExecutionFailed(error.message))
            return _BEGUN
        session, work = runs.session, runs.work_of(extents, extents.get(BATCH, 1))
        if session is not None and runs.compute_s * work < self._inline_below_s:
            self._deliver(hosted, runs, work, run_alone(runs, session, inputs, extents), done)
            return _BEGUN
        future = self._pool.submit(self._run_anyhow, hosted, runs, inputs, extents)
        deliver = partial(self._deliver, hosted, runs, work)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda ended: loop.call_soon_threadsafe(deliver, _end_of(ended), done))
        return Stage(future.cancel)

    def submit_together(self, key: HostedKey, requests: Sequence[tuple[Mapping[str, Array], Done]]) -> list[Stage]:
        """Run a whole model once for several requests, and hand each its end, as :meth:`submit` does.

        One that breaks the contract, or is called off in time, is left out; where the run fails each is run alone.
        """
        members: list[Member] = []
        stages: list[Stage] = []
        for inputs, done in requests:
            try:
                hosted = self._hosted(key)
                members.append(Member(inputs, hosted.inputs.checked(inputs), done))
                stages.append(Stage(members[-1].call_off))
            except (ExecutionFailed, InvalidInput) as error:
                done(error if isinstance(error, ExecutionFailed) else ExecutionFailed(error.message))
                stages.append(Stage())
        if members:
            self._begin(self._hosted(key), members)
        return stages

    def _begin(self, hosted: HostedModel, members: Sequence[Member]) -> None:
        session = hosted.session
        work = sum(hosted.work_of(member.extents, member.items) for member in members)
        if session is not None and hosted.compute_s * work < self._inline_below_s:
            run_together(hosted, session, members, most_items=hosted.max_items)
            self._deliver_all(hosted, members)
            return
        loop = asyncio.get_running_loop()
        future = self._pool.submit(self._run_together_anyhow, hosted, members)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._deliver_all, hosted, members))

    def warm(self, artifact: ArtifactHash) -> float:
        """Load what runs a hosted artifact unless it is warm, and return the seconds that took. Blocks.

        Raises:
            ModelUnusable: it cannot be loaded.
        """
        return sum(self._load(hosted, hosted)[1] for hosted in self._running(artifact))

    def cool(self, artifact: ArtifactHash) -> None:
        """Take what runs a hosted artifact, whole or in part, out of memory; it stays hosted. What runs finishes."""
        for hosted in self._running(artifact):
            for resident in hosted.residents:
                self._budget.unload(resident)

    def warm_artifacts(self) -> tuple[ArtifactHash, ...]:
        """Return the models in memory."""
        return tuple(dict.fromkeys(hosted.artifact for hosted in self.hosted if hosted.session))

    def warm_stages(self) -> tuple[WarmStages, ...]:
        """Return which ranges of stages are in memory, for every model that may be cut."""
        return tuple(
            WarmStages(artifact=hosted.artifact, ranges=hosted.warm_ranges)
            for hosted in self.hosted
            if hosted.stages_ready
        )

    def close(self) -> None:
        """Cancel what waits and wait for what runs; the ends are still handed out. Blocks for the longest run."""
        self._admission.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for resident in self._residents():
            resident.session = None

    def _hosted(self, key: HostedKey) -> HostedModel:
        hosted = self._models.get(key)
        if hosted is None:
            model, tier, artifact = key
            raise ExecutionFailed(f"this node does not host {model}/{tier} with artifact {artifact[:12]}.")
        return hosted

    def _residents(self) -> Iterator[Resident]:
        return (resident for hosted in self._models.values() for resident in hosted.residents)

    def _running(self, artifact: ArtifactHash) -> list[HostedModel]:
        return [hosted for hosted in self.hosted if hosted.artifact == artifact]

    def _run_anyhow(
        self, hosted: HostedModel, runs: Resident, inputs: Mapping[str, Array], extents: Extents
    ) -> StageEnd:
        try:
            session, load_s = self._load(hosted, runs)
        except ModelUnusable as error:
            self._log.error(log.MODEL_REFUSED, model=str(runs), reason=error.message)
            return ExecutionFailed(error.message)
        return run_alone(runs, session, inputs, extents, load_s=load_s)

    def _run_together_anyhow(self, hosted: HostedModel, members: Sequence[Member]) -> None:
        try:
            session, load_s = self._load(hosted, hosted)
            run_together(hosted, session, members, most_items=hosted.max_items, load_s=load_s)
        except ModelUnusable as error:
            self._log.error(log.MODEL_REFUSED, model=str(hosted), reason=error.message)
            fail(members, ExecutionFailed(error.message))
        except Exception as fault:  # noqa: BLE001 - as for a single run, whatever a thread meets is an end.
            fail(members, ExecutionFailed(f"the executor failed: {fault!r}"))

    def _deliver_all(self, hosted: HostedModel, members: Sequence[Member]) -> None:
        for member in members:
            work = hosted.work_of(member.extents, member.items_told)
            self._deliver(hosted, hosted, work, member.end or _called_off(), member.done)

    def _deliver(self, hosted: HostedModel, runs: Resident, work: float, end: StageEnd, done: Done) -> None:
        self._budget.used(runs)
        if isinstance(end, ExecutionFailed):
            self._log.warning(log.STAGE_FAILED, model=str(runs), reason=end.message)
            if runs.session is None:
                self.on_unloadable(hosted.artifact)
        elif work and not isinstance(end, Cancelled):
            runs.learn(end.compute_s, work=work, now_s=runs.last_used_s)
        done(end)

    def _load(self, hosted: HostedModel, runs: Resident) -> tuple[Session, float]:
        return self._budget.load(runs, lambda: self._read(hosted.artifact))

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
        session, _ = self._load(hosted, hosted)
        contract = hosted.inputs

        def run(length: Length) -> float:
            inputs = contract.zeros(length.extents)
            extents = contract.extents(inputs)
            return hosted.run(session, inputs, extents).compute_s / extents.get(BATCH, 1)

        return measure_lengths(run, hosted.lengths.to_time(), load_s=hosted.load_s)


def _end_of(future: Future[StageEnd]) -> StageEnd:
    if future.cancelled():
        return _called_off()
    if fault := future.exception():
        return ExecutionFailed(f"the executor failed: {fault!r}")
    return future.result()


def _called_off() -> Cancelled:
    return Cancelled("the run was called off before it began.")
