"""A model file as it runs on this machine: its answers to a feed, and how long it takes, beside others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_registry.convert.errors import NotApplicable
from model_registry.convert.feed import Feed
from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.runtime.session import Session, open_session
from model_registry.tensor import Tensor
from model_registry.tier import Format

Array = NDArray[Any]
Inputs = Mapping[str, Array]
_FEWEST_RUNS, _MOST_RUNS = 10, 1000
_WARM_UP = 2


class Latency(NamedTuple):
    """Processor time of one run in one thread, in milliseconds: what else the machine does is not counted."""

    p50_ms: float
    p99_ms: float


class Trial:
    """A model in memory, with one thread."""

    def __init__(self, content: bytes, model_format: Format, outputs: Sequence[Tensor]) -> None:
        """Load the model.

        Raises:
            NotApplicable: the runtime cannot load it, or has no kernel for one of its operators.

        """
        self._names = [output.name for output in outputs]
        self._outputs = outputs
        try:
            self._session: Session = open_session(content, model_format)
        except ModelUnreadable as error:
            raise NotApplicable(f"It came out unusable. {error.message}") from error

    def answers(self, feed: Feed, advance: Callable[[int], None]) -> dict[str, Array]:
        """Return the outputs for every item, first axis the items; `advance` is told how many are done.

        Raises:
            NotApplicable: a run failed, or gave the wrong shapes, or numbers that are none.

        """
        parts: dict[str, list[Array]] = {name: [] for name in self._names}
        for inputs in feed.batches():
            for name, array in self.run(inputs).items():
                parts[name].append(np.atleast_1d(array))
            advance(feed.batch_items)
        return {name: _joined(arrays) for name, arrays in parts.items()}

    def run(self, inputs: Inputs) -> dict[str, Array]:
        """Run once and look at what comes out.

        Raises:
            NotApplicable: the run failed, or gave the wrong shapes, or numbers that are none.

        """
        try:
            arrays = self._session.run(self._names, inputs)
        except RunFailed as error:
            raise NotApplicable(f"It came out unusable. {error.message}") from error
        for tensor, array in zip(self._outputs, arrays, strict=True):
            _check(tensor, array)
        return dict(zip(self._names, arrays, strict=True))


def side_by_side(trials: Sequence[Trial], inputs: Sequence[Inputs], *, seconds_each: float) -> list[Latency]:
    """Time one run of each in turn, again and again: what disturbs the machine then disturbs all of them alike.

    By the clock of this thread, in which the runtimes compute when they have one: a longer network is interrupted more
    often on a busy machine, and would look slower than it is beside a short one.
    """
    pairs = list(zip(trials, inputs, strict=True))
    for trial, given in pairs * _WARM_UP:
        trial.run(given)
    times: list[list[float]] = [[] for _ in pairs]
    end_s = perf_counter() + seconds_each * len(pairs)
    while len(times[0]) < _FEWEST_RUNS or (perf_counter() < end_s and len(times[0]) < _MOST_RUNS):
        for spent, (trial, given) in zip(times, pairs, strict=True):
            started = thread_time()
            trial.run(given)
            spent.append((thread_time() - started) * 1e3)
    return [Latency(*(float(q) for q in np.quantile(spent, (0.5, 0.99)))) for spent in times]


def _check(tensor: Tensor, array: Array) -> None:
    rank_fits = array.ndim == len(tensor.shape)
    fits = rank_fits and all(
        isinstance(extent, str) or extent == length for extent, length in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits or array.dtype != tensor.dtype:
        raise NotApplicable(
            f"It came out different: '{tensor.name}' is {array.dtype}{list(array.shape)} and should be "
            f"{tensor.dtype}{list(tensor.shape)}."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NotApplicable(f"It came out broken: '{tensor.name}' has values that are no numbers.")


def _joined(arrays: list[Array]) -> Array:
    """Put batches after one another; outputs whose length differs from run to run are flattened and cut alike."""
    if len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    flat = [array.reshape(len(array), -1) for array in arrays]
    columns = min(array.shape[1] for array in flat)
    return np.concatenate([array[:, :columns] for array in flat])
