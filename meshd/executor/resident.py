"""Whatever runs, and occupies memory while it is warm: a whole model, or some stages of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from meshd.errors import ExecutionFailed, ModelUnusable
from meshd.executor.input_contract import BATCH, InputContract
from meshd.executor.output_contract import OutputContract
from meshd.executor.stage import StageResult
from meshd.executor.tensor_rule import Extents
from model_registry.errors import RunFailed
from model_registry.runtime.session import Session

Array = NDArray[Any]
Outputs = dict[str, Array]


class Resident(ABC):
    """Contracts at both ends, timings, and a session while it is warm."""

    def __init__(self, inputs: InputContract, outputs: OutputContract, *, memory_bytes: int) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.session: Session | None = None
        self.memory_bytes = memory_bytes
        """What it occupies when warm: a guess until it was loaded once, then what was measured."""
        self.load_s = 0.0
        self.last_used_s = 0.0
        self.height = 0.0
        """In memory: seconds per byte; the lowest makes room first."""

    @property
    @abstractmethod
    def compute_s(self) -> float:
        """Seconds that one item of the smallest input takes; infinite while nothing is known."""

    @property
    @abstractmethod
    def file_bytes(self) -> int:
        """Size of the file that it was loaded from."""

    @abstractmethod
    def opened(self, content: bytes, *, threads: int) -> Session:
        """Load it from the artifact and hold it against the manifest. Raises ModelUnusable."""

    @abstractmethod
    def work_of(self, extents: Extents, items: int) -> float:
        """Return how many times as long as one item of the smallest input so many items of these extents take."""

    @abstractmethod
    def learn(self, compute_s: float, *, work: float, now_s: float) -> None:
        """Take the timing of a run into account, by what it had to do."""

    def open(self, content: bytes, *, threads: int) -> Session:
        """Load it from the artifact, hold it against the manifest, and run it once on zeros.

        Raises:
            ModelUnusable: it cannot be loaded, is not what the manifest says, or fails on zeros.
        """
        session = self.opened(content, threads=threads)
        try:
            zeros = self.inputs.smallest()
            self.run(session, zeros, self.inputs.extents(zeros))
        except ExecutionFailed as error:
            problem = f"{self} fails on the smallest input, all zeros: {error}"
            raise ModelUnusable(problem, hint="Export it again.") from error
        return session

    def run(
        self, session: Session, inputs: Mapping[str, Array], extents: Extents, *, load_s: float = 0.0
    ) -> StageResult:
        """Run once on inputs of these extents and check what comes out.

        Raises:
            ExecutionFailed: the runtime gave up.
        """
        outputs, compute_s = self.compute(session, inputs)
        return self.judged(outputs, extents, items=extents.get(BATCH, 1), compute_s=compute_s, load_s=load_s)

    def compute(self, session: Session, inputs: Mapping[str, Array]) -> tuple[Outputs, float]:
        """Return the outputs of a run as they come, and its seconds.

        Raises:
            ExecutionFailed: the runtime gave up.
        """
        names = self.outputs.names
        started = perf_counter()
        try:
            arrays = session.run(names, inputs)
        except RunFailed as error:
            raise ExecutionFailed(error.message) from error
        compute_s = perf_counter() - started
        return dict(zip(names, arrays, strict=True)), compute_s

    def judged(self, outputs: Outputs, extents: Extents, *, items: int, compute_s: float, load_s: float) -> StageResult:
        """Hold outputs against what the manifest promises for inputs of these extents, and score them.

        ``items`` are those of the whole run that took ``compute_s``, others' included.
        """
        flaw = self.outputs.flaw(outputs, extents)
        if flaw:
            return StageResult(outputs=outputs, compute_s=compute_s, load_s=load_s, items=items, score=None, flaw=flaw)
        return StageResult(
            outputs=outputs,
            compute_s=compute_s,
            load_s=load_s,
            items=items,
            score=self.outputs.score(outputs),
            anomalous=self.outputs.anomalous(outputs),
        )

    def batch_of(self, inputs: Mapping[str, Array]) -> int:
        """Return how many items the inputs hold."""
        return self.inputs.extents(inputs).get(BATCH, 1)
