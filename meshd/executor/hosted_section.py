"""Some consecutive stages of a hosted model, as one session of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from typing_extensions import override

from meshd.errors import ModelUnusable
from meshd.executor.input_contract import InputContract
from meshd.executor.output_contract import OutputContract
from meshd.executor.resident import Resident
from meshd.executor.tensor_rule import Extents
from model_registry.errors import ModelUnreadable
from model_registry.runtime.disagreement import disagreements
from model_registry.runtime.section_file import taken_out
from model_registry.runtime.session import Session, open_session
from model_registry.runtime.stage_session import StageSession
from model_registry.section import Section, section_of

if TYPE_CHECKING:
    from meshd.executor.hosted_model import HostedModel


class HostedSection(Resident):
    """Stages [first, last) of a model. What crosses at a cut may hold NaN; the model's own ends are held to theirs."""

    def __init__(self, whole: HostedModel, first: int, last: int) -> None:
        self._whole = whole
        self.section = section_of(whole.manifest, whole.tier, whole.variant, first, last)
        split = whole.variant.split
        assert split is not None, "only what can be cut has sections"
        inputs = whole.inputs if first == 0 else InputContract.crossing(whole.manifest, split.cuts[first - 1])
        outputs = whole.outputs if last == whole.n_stages else _given(whole, self.section)
        super().__init__(inputs, outputs, memory_bytes=whole.memory_bytes)
        self._file_bytes = 0

    @override
    def __str__(self) -> str:
        return f"stages {self.section.first}-{self.section.last} of {self._whole}"

    @property
    @override
    def compute_s(self) -> float:
        return self._whole.stage_times.range_s(self.section.first, self.section.last, self._whole.compute_s)

    @property
    @override
    def file_bytes(self) -> int:
        return self._file_bytes

    @override
    def opened(self, content: bytes, *, threads: int) -> Session:
        try:
            stage = taken_out(content, self.section)
            self._file_bytes = len(stage.content)
            session = StageSession(open_session(stage.content, threads=threads), self.section)
        except ModelUnreadable as error:
            raise ModelUnusable(f"{self}: {error.message}", hint=error.hint) from error
        section, axes = self.section, self._whole.manifest.axes
        flaws = list(disagreements(session, section.takes, section.gives, axes))
        if flaws:
            problem = f"{self} are not what the manifest says: {'; '.join(flaws)}."
            raise ModelUnusable(problem, hint="Split the model again: `meshd models split`.")
        return session

    @override
    def work_of(self, extents: Extents, items: int) -> float:
        return self._whole.work_of_stages(self.section.first, self.section.last, extents, items)

    @override
    def learn(self, compute_s: float, *, work: float, now_s: float) -> None:
        whole, section = self._whole, self.section
        whole.stage_times.learn(section.first, section.last, compute_s / work, whole.compute_s, now_s=now_s)


def _given(whole: HostedModel, section: Section) -> OutputContract:
    tier = replace(whole.tier, outputs=section.gives, escalation=None, alarm=None)
    return OutputContract(tier, whole.manifest.axes, finite=False)
