"""How far two answers to one question differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_registry.tensor import Tensor

Array = NDArray[Any]
Answers = Mapping[str, Array]
_MOST_ERROR = 1e-5
"""Of the output's scale: what another order of the same additions makes of float32."""
LEAST_AGREEMENT = 0.995
"""Of answers: what rounding in networks of eight bits, or a codec, may not fall below."""
_SAME = 1e-2
"""Of the largest value: outputs that name no class agree within it."""


class Difference(NamedTuple):
    """Over many runs."""

    error: float
    """Largest change of an output, as a share of the largest output."""
    agreement: float
    """Share of the items on which the answer is the same."""

    @property
    def none(self) -> bool:
        """Tell whether the answers are the same bit for bit."""
        return self.error == 0

    def is_bearable(self, *, quantised: bool) -> bool:
        """Tell whether it is rounding, or, where numbers of eight bits amplify that, hardly ever changes an answer."""
        return self.error <= _MOST_ERROR or (quantised and self.agreement >= LEAST_AGREEMENT)


def difference(pairs: Iterable[tuple[Answers, Answers]], outputs: Sequence[Tensor]) -> Difference:
    """Hold what is asked against what is true, run by run, output by output."""
    error, same, items = 0.0, 0, 0
    for truth, answer in pairs:
        error = max([error, *(_error(truth[t.name], answer[t.name]) for t in outputs)])
        agreed = [_agreed(truth[t.name], answer[t.name]) for t in outputs]
        together = np.logical_and.reduce([each[: min(map(len, agreed))] for each in agreed])
        same, items = same + int(together.sum()), items + len(together)
    return Difference(error, same / items if items else 1.0)


def _error(truth: Array, answer: Array) -> float:
    if truth.shape != answer.shape or truth.dtype != answer.dtype:
        return float("inf")
    if np.array_equal(truth, answer, equal_nan=truth.dtype.kind == "f"):
        return 0.0
    scale = float(np.abs(truth.astype(np.float64)).max()) or 1.0
    change = float(np.abs(truth.astype(np.float64) - answer.astype(np.float64)).max())
    return change / scale if np.isfinite(change) else float("inf")


def _agreed(truth: Array, answer: Array) -> NDArray[np.bool_]:
    """Return for each item whether it is answered alike: by its class, where the output is a row of classes."""
    if truth.shape != answer.shape:
        return np.zeros(1, np.bool_)
    ours, theirs = (
        np.asarray(each, np.float64).reshape(max(1, len(np.atleast_1d(each))), -1) for each in (truth, answer)
    )
    if truth.ndim == 2 and ours.shape[1] > 1:
        return np.asarray(ours.argmax(axis=1) == theirs.argmax(axis=1))
    scale = np.abs(ours).max() or 1.0
    return np.asarray(np.abs(ours - theirs).max(axis=1) <= _SAME * scale)
