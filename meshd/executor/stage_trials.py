"""Tries and measures the stages of a model one by one, in the background: a plan's first run has no time for it."""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter

from meshd import log
from meshd.core.ids import ArtifactHash
from meshd.errors import ExecutionFailed, ModelUnusable
from meshd.executor.admissions import Admission
from meshd.executor.hosted_model import HostedModel
from meshd.executor.hosted_section import HostedSection
from meshd.executor.profile import Profile, measure
from meshd.executor.profile_cache import ProfileCache
from meshd.host import memory
from model_registry.errors import ModelUnreadable, Refused
from model_registry.runtime.stage_session import taken_out
from model_registry.section import stage_model

LIMIT_S = 0.1
"""For timing one stage: a model that was cut at five places is measured within a second."""


class StageTrials:
    """Admits each stage like a model of its own, by the hash that the manifest gives it.

    A range of admitted stages takes what its first stage takes, and runs nodes that the trial of the whole ran: it
    needs none of its own.
    """

    def __init__(self, admission: Admission, profiles: ProfileCache | None, *, threads: int) -> None:
        self._admission = admission
        self._profiles = profiles
        self._threads = threads
        self._log = log.get_logger()

    def pass_all(self, hosted: HostedModel, content: bytes) -> bool:
        """Try and time every stage, and tell whether ranges of them may be run from now on. Blocks.

        Where a stage is refused, or is not the one of the manifest, the model stays whole.
        """
        stages = [HostedSection(hosted, first, first + 1) for first in range(hosted.n_stages)]
        try:
            for stage in stages:
                self._admit(hosted, stage, content)
            for stage in stages:
                hosted.stage_times.adopt(stage.section.first, self._profile(stage, content).compute_s)
        except (ModelUnreadable, ModelUnusable, ExecutionFailed, Refused) as error:
            self._log.warning(log.STAGES_REFUSED, model=str(hosted), reason=error.message)
            return False
        hosted.stages_ready = True
        self._log.info(log.STAGES_ADMITTED, model=str(hosted), stages=hosted.n_stages)
        return True

    def _admit(self, hosted: HostedModel, stage: HostedSection, content: bytes) -> None:
        file = taken_out(content, stage.section)
        model = stage_model(
            hosted.manifest, hosted.tier, hosted.variant, stage.section, inputs=file.inputs, outputs=file.outputs
        )
        self._admission.admit(lambda: file.content, *model)

    def _profile(self, stage: HostedSection, content: bytes) -> Profile:
        assert stage.section.sha256 is not None, "single stages have hashes"
        name = ArtifactHash(stage.section.sha256)
        profile = self._profiles.get(name) if self._profiles else None
        if profile is None:
            profile = self._measured(stage, content)
            memory.give_back()
            if self._profiles is not None:
                self._profiles.put(name, profile)
                with suppress(OSError):  # On a full disk the next start measures again.
                    self._profiles.save()
        return profile

    def _measured(self, stage: HostedSection, content: bytes) -> Profile:
        """Time a session that nobody else sees, and that is gone afterwards."""
        started = perf_counter()
        session = stage.open(content, threads=self._threads)
        load_s = perf_counter() - started
        inputs = stage.inputs.smallest()
        batch = stage.batch_of(inputs)
        return measure(lambda: stage.compute(session, inputs)[1] / batch, load_s=load_s, limit_s=LIMIT_S)
