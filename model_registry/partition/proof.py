"""Runs the stages of an arranged file as nodes will, and holds them against the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.convert.noise import noise
from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.partition.arrangement import Arrangement
from model_registry.partition.difference import Difference, difference
from model_registry.partition.trace import usual_extents
from model_registry.partition.trials import Trials
from model_registry.runtime.session import Session, open_session
from model_registry.runtime.stage_file import stage_bytes
from model_registry.tensor import Tensor

Array = NDArray[Any]
_FEWEST_ROUNDS, _MOST_ROUNDS = 9, 400


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Processor time of one run, all taken in turn, in milliseconds."""

    head_ms: float
    tail_ms: float
    whole_ms: float

    @property
    def ratio(self) -> float:
        """Return what both parts take, in units of the whole."""
        return (self.head_ms + self.tail_ms) / self.whole_ms


@dataclass(frozen=True)
class Proof:
    """An arranged file, loaded whole and in parts."""

    arrangement: Arrangement
    trials: Trials
    outputs: tuple[Tensor, ...]

    def at(self, place: int) -> Difference:
        """Return how far head and tail differ from the whole when cut before node `place`.

        Raises:
            ModelUnreadable, RunFailed: a part does not load or run.

        """
        return self._of([self._part(0, place), self._part(place, None)])

    def of_all_stages(self) -> Difference:
        """Return how far the chain of all stages differs from the whole.

        Raises:
            ModelUnreadable, RunFailed: a stage does not load or run.

        """
        return self._of([self._part(*ends) for ends in self._stages()])

    def stage_files(self) -> Iterator[bytes]:
        """Yield each single stage as nodes take it out of the file."""
        yield from (stage_bytes(self.arrangement.content, *ends) for ends in self._stages())

    def refusal(self, place: int) -> str:
        """Return why a node would refuse a part cut off at `place`: parts run on any values, as models do."""
        tensors = {tensor.name: tensor for each in self.arrangement.crossing for tensor in each}
        known = {tensor.name: tensor for tensor in self.trials.inputs} | tensors
        try:
            tail = self._part(place, None)
            for extents in (
                {name: axis.min for name, axis in self.trials.axes.items()},
                usual_extents(self.trials.axes),
            ):
                forms = tuple(known[tensor.name] for tensor in tail.inputs)
                drawn = noise(forms, extents, seed=0)
                tail.run([output.name for output in tail.outputs], drawn)
                tail.run(
                    [output.name for output in tail.outputs], {name: np.zeros_like(a) for name, a in drawn.items()}
                )
        except (ModelUnreadable, RunFailed) as error:
            return error.message
        return ""

    def timed(self, place: int, *, seconds: float) -> Timed:
        """Time head, tail and whole in turn: what disturbs the machine then disturbs all of them alike."""
        head, tail = self._part(0, place), self._part(place, None)
        given = self.trials.usual()
        between = {**given, **_run(head, given)}
        steps = [(head, given), (tail, between), (self._whole, given)]
        spent: list[list[float]] = [[] for _ in steps]
        end_s = perf_counter() + seconds
        while len(spent[0]) < _FEWEST_ROUNDS or (perf_counter() < end_s and len(spent[0]) < _MOST_ROUNDS):
            for took, (session, inputs) in zip(spent, steps, strict=True):
                started = thread_time()
                _run(session, inputs)
                took.append((thread_time() - started) * 1e3)
        head_ms, tail_ms, whole_ms = map(median, spent)
        return Timed(head_ms=head_ms, tail_ms=tail_ms, whole_ms=whole_ms)

    def tail(self, place: int) -> Session:
        """Return what runs behind a place."""
        return self._part(place, None)

    def before(self, place: int, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return all tensors that there are when the head has run."""
        return {**inputs, **_run(self._part(0, place), inputs)}

    def _of(self, parts: Sequence[Session]) -> Difference:
        def answered(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
            known = dict(inputs)
            for part in parts:
                known |= _run(part, known)
            return known

        return difference(((truth, answered(inputs)) for inputs, truth in self._truths), self.outputs)

    @cached_property
    def _truths(self) -> list[tuple[Mapping[str, Array], dict[str, Array]]]:
        return [(inputs, _run(self._whole, inputs)) for inputs in self.trials.runs()]

    @cached_property
    def _whole(self) -> Session:
        return open_session(self.arrangement.content)

    @cached_property
    def _loaded(self) -> dict[tuple[int, int | None], Session]:
        return {}

    def _part(self, first: int, last: int | None) -> Session:
        if (first, last) not in self._loaded:
            self._loaded[first, last] = open_session(stage_bytes(self.arrangement.content, first, last))
        return self._loaded[first, last]

    def _stages(self) -> Iterator[tuple[int, int | None]]:
        yield from pairwise((0, *self.arrangement.places, None))


def _run(session: Session, known: Mapping[str, Array]) -> dict[str, Array]:
    names = [output.name for output in session.outputs]
    wanted = {tensor.name: known[tensor.name] for tensor in session.inputs}
    return dict(zip(names, session.run(names, wanted), strict=True))


def against(content: bytes, original: bytes, trials: Trials, outputs: tuple[Tensor, ...]) -> Difference:
    """Return how far a prepared file differs from the one it was made of."""
    new, old = open_session(content), open_session(original)
    return difference(((_run(old, inputs), _run(new, inputs)) for inputs in trials.runs()), outputs)
