"""Tries and measures the stages of a model one by one, in the background: a plan's first run has no time for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter

from meshd import log
from meshd.core.ids import ArtifactHash
from meshd.errors import ExecutionFailed, ModelUnusable
from meshd.executor.admissions import Admission
from meshd.executor.hosted_model import HostedModel
from meshd.executor.hosted_section import HostedSection
from meshd.executor.length import Length
from meshd.executor.memory_budget import MemoryBudget
from meshd.executor.profile import Profile, grown, measure_row
from meshd.executor.profile_cache import ProfileCache
from meshd.host import memory
from model_registry.errors import ModelUnreadable, Refused
from model_registry.runtime.section_file import taken_out
from model_registry.runtime.session import Session
from model_registry.section import stage_model


class StageTrials:
    """Admits each stage like a model of its own, by the hash that the manifest gives it.

    A range of admitted stages takes what its first stage takes, and runs nodes that the trial of the whole ran: it
    needs none of its own.
    """

    def __init__(
        self, admission: Admission, profiles: ProfileCache | None, budget: MemoryBudget, *, threads: int
    ) -> None:
        self._admission = admission
        self._budget = budget
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
            for number, profile in enumerate(self._profiles_of(hosted, stages, content)):
                hosted.stage_times.adopt(number, profile.compute_s, profile.growth)
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

    def _profiles_of(self, hosted: HostedModel, stages: Sequence[HostedSection], content: bytes) -> list[Profile]:
        """Return what was or is measured of each stage; nothing where memory has no room for all of them at once."""
        names = [ArtifactHash(stage.section.sha256 or "") for stage in stages]
        known = [profile for name in names if self._profiles and (profile := self._profiles.get(name))]
        lengths = [length for length in hosted.lengths.to_time() if length.item_bytes in hosted.sizes]
        sizes = tuple(length.item_bytes for length in lengths)
        if len(known) == len(stages) and all((profile.sizes or ()) == sizes for profile in known):
            return known
        if self._budget.free_bytes < hosted.memory_bytes:
            return []  # The manifest's shares do until runs have taught better.
        measured = self._measured(stages, content, [Length(extents={}, item_bytes=0), *lengths])
        memory.give_back()
        if self._profiles is not None:
            self._profiles.keep(dict(zip(names, measured, strict=True)))
        return measured

    def _measured(self, stages: Sequence[HostedSection], content: bytes, lengths: Sequence[Length]) -> list[Profile]:
        """Time sessions that nobody else sees, and that are gone afterwards, at each of the lengths.

        They run in turn, each on what the one before gave: a stage that runs again and again has its weights at hand in
        the processor's cache, and seems up to twice as fast as it will be.
        """
        opened = [self._opened(stage, content) for stage in stages]
        sessions, loads_s = zip(*opened, strict=True)

        def run() -> list[float]:
            if len(lengths) > 1:  # Behind the longest it would find nothing of its own in the processor's caches.
                tuple(_in_turn(stages, sessions, lengths[0]))
            return [seconds for length in lengths for seconds in _in_turn(stages, sessions, length)]

        if len(lengths) > 1:
            run()  # The first run of a length takes memory, and longer than those after it.
        row = measure_row(run, loads_s=loads_s * len(lengths))
        sizes = [length.item_bytes for length in lengths]
        return [grown(row[number :: len(stages)], sizes) for number in range(len(stages))]

    def _opened(self, stage: HostedSection, content: bytes) -> tuple[Session, float]:
        started = perf_counter()
        session = stage.open(content, threads=self._threads)
        return session, perf_counter() - started


def _in_turn(stages: Sequence[HostedSection], sessions: Sequence[Session], length: Length) -> Iterator[float]:
    """Yield the seconds for one item of each stage, each run on what the one before gave."""
    tensors = stages[0].inputs.zeros(length.extents)
    batch = stages[0].batch_of(tensors)
    for stage, session in zip(stages, sessions, strict=True):
        tensors, compute_s = stage.compute(session, tensors)
        yield compute_s / batch
