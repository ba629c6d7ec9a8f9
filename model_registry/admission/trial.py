"""The trial itself, inside the process that may die of it: loads a model and runs it, small and large."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from model_registry.admission import confinement, refusals
from model_registry.admission.admitted import Admitted, Golden, digest_of
from model_registry.admission.golden import (
    Extents,
    golden_inputs,
    input_bytes,
    largest,
    make_inputs,
    output_flaw,
    smallest,
)
from model_registry.admission.report import Order, Reached, Report
from model_registry.errors import ModelUnreadable, Refused, RegistryError, RunFailed
from model_registry.runtime.disagreement import disagreements
from model_registry.runtime.renamed_session import open_variant
from model_registry.runtime.session import Session

Array = NDArray[Any]
Inputs = dict[str, Array]

_TIMING_S = 0.1
"""A first start with several models should still take seconds."""
_MOST_RUNS, _FEWEST_RUNS = 100, 3


class Trial:
    """One model on trial."""

    def __init__(self, order: Order, content: bytes, tell: Callable[[Report], None]) -> None:
        self._order = order
        self._content = content
        self._before_bytes = confinement.resident_bytes()
        self._manifest = order.manifest
        self._names = [tensor.name for tensor in order.tier.outputs]
        self._tell = tell

    @property
    def taken_bytes(self) -> int:
        """Return the most that the model has taken so far."""
        return max(0, confinement.peak_bytes() - self._before_bytes)

    def run(self) -> Admitted:
        """Try the model.

        Raises:
            Refused: it broke a limit. What kills the process instead is for the watching one to tell.
        """
        self._check_inputs_fit()
        confinement.forget_peak()
        session, load_s = self._load()
        times, golden = self._run_smallest(session)
        self._tell(Reached(step="running the largest input"))
        largest_s = self._run_largest(session, drawn=golden.drawn)
        return Admitted(
            artifact=self._order.variant.artifact,
            peak_memory_bytes=self.taken_bytes,
            process_peak_bytes=confinement.peak_bytes(),
            load_s=load_s,
            smallest_p50_s=times[len(times) // 2],
            smallest_p99_s=times[len(times) * 99 // 100],
            largest_s=largest_s,
            golden=golden,
        )

    def _check_inputs_fit(self) -> None:
        needed, limit = input_bytes(self._manifest, largest(self._manifest.axes)), self._order.limits.memory_bytes
        if needed > limit:
            raise Refused(
                "memory",
                f"the largest input alone takes {needed / 1e6:,.0f} MB and the limit is {limit / 1e6:,.0f} MB.",
                hint="Lower the largest extents in the manifest's [axes], or raise models.memory_budget_bytes.",
            )

    def _load(self) -> tuple[Session, float]:
        self._tell(Reached(step="loading"))
        started = perf_counter()
        try:
            session = open_variant(self._content, self._order.variant)
        except ModelUnreadable as error:
            raise self._out_of_memory("loading", error) or refusals.unreadable(error) from error
        flaws = list(disagreements(session, self._manifest.inputs, self._order.tier.outputs, self._manifest.axes))
        if flaws:
            raise Refused(
                "contract", f"{'; '.join(flaws[:5])}.", hint="Correct the manifest, or export the model again."
            )
        self._tell(Reached(step="running the smallest input"))
        self._answers(session, golden_inputs(self._manifest, self._order.variant.artifact, drawn=False), "smallest")
        return session, perf_counter() - started

    def _run_smallest(self, session: Session) -> tuple[list[float], Golden]:
        """Return sorted times, and the answers to golden inputs: zeros where the model takes no drawn ones."""
        artifact = self._order.variant.artifact
        inputs, drawn = golden_inputs(self._manifest, artifact), True
        try:
            first = session.run(self._names, inputs)
        except RunFailed:
            inputs, drawn = golden_inputs(self._manifest, artifact, drawn=False), False
            first = self._answers(session, inputs, "smallest")
        digests = [digest_of(array) for array in first]
        again = [digest_of(array) for array in self._answers(session, inputs, "smallest")]
        golden = Golden(drawn=drawn, repeatable=digests == again, digests=dict(zip(self._names, digests, strict=True)))
        return _timed(lambda: session.run(self._names, inputs)), golden

    def _run_largest(self, session: Session, *, drawn: bool) -> float:
        """Return the time of the slowest run; what a model takes may depend on the values."""
        extents = largest(self._manifest.axes)
        seeds = [None, self._order.variant.artifact] if drawn else [None]
        slowest = 0.0
        for seed in seeds:
            inputs = make_inputs(self._manifest, extents, seed=seed)
            started = perf_counter()
            self._answers(session, inputs, "largest", extents)
            slowest = max(slowest, perf_counter() - started)
        return slowest

    def _answers(self, session: Session, inputs: Inputs, which: str, extents: Extents | None = None) -> list[Array]:
        """Run once and hold the outputs against what the manifest promises."""
        extents = extents or smallest(self._manifest.axes)
        try:
            outputs = session.run(self._names, inputs)
        except RunFailed as error:
            raise self._refusal_to_run(error, which, extents) from error
        for tensor, array in zip(self._order.tier.outputs, outputs, strict=True):
            if flaw := output_flaw(tensor, array, self._manifest.axes, extents):
                raise Refused("contract", f"{flaw}, for the {which} input.", hint="Correct the manifest's outputs.")
        return outputs

    def _refusal_to_run(self, error: RunFailed, which: str, extents: Extents) -> Refused:
        size = ", ".join(f"{name} = {extent}" for name, extent in extents.items()) or "of fixed size"
        return self._out_of_memory(f"running the {which} input ({size})", error) or Refused(
            "contract",
            f"it fails on the {which} input that the manifest allows ({size}): {error.message}",
            hint="Correct the manifest's [axes], or export the model again: it has to run on zeros, without examples.",
        )

    def _out_of_memory(self, doing: str, error: RegistryError) -> Refused | None:
        if not refusals.speaks_of_memory(f"{error.message} {error.__cause__}"):
            return None
        return refusals.too_much_memory(doing, self._order.limits.memory_bytes, taken_bytes=self.taken_bytes)


def _timed(run: Callable[[], object]) -> list[float]:
    times: list[float] = []
    until = perf_counter() + _TIMING_S
    while len(times) < _FEWEST_RUNS or (len(times) < _MOST_RUNS and perf_counter() < until):
        started = perf_counter()
        run()
        times.append(perf_counter() - started)
    return sorted(times)
