"""One run of a model: how it ended, and how to call it off before it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct

from meshd.errors import Cancelled, ExecutionFailed


class StageResult(Struct, frozen=True, kw_only=True):
    """What a run gave. Stays inside the process: the tensors travel beside the messages."""

    outputs: dict[str, np.ndarray[Any, Any]]
    compute_s: float
    load_s: float
    """Seconds spent on loading first; 0.0 when the model was warm."""
    items: int
    """That were run in ``compute_s``: the asker's, and those of others that ran with them."""
    score: float | None
    """What the escalation rule or the alarm reads; none when the tier has neither, or when outputs are malformed."""
    anomalous: bool | None = None
    """Whether the tier raises its alarm; none when it has none, or when the outputs are malformed."""
    flaw: str = ""
    """What is wrong with the outputs: not finite, or not the shape or dtype that the manifest promises."""

    @property
    def malformed(self) -> bool:
        """Tell whether the outputs break the manifest's promise; such an answer must escalate."""
        return bool(self.flaw)


StageEnd = StageResult | ExecutionFailed | Cancelled
Done = Callable[[StageEnd], None]


class Stage:
    """A submitted run. Its ``done`` is called exactly once, whatever happens."""

    __slots__ = ("_call_off",)

    def __init__(self, call_off: Callable[[], bool] | None = None) -> None:
        self._call_off = call_off

    def cancel(self) -> bool:
        """Call the run off and tell whether that was in time; ``done`` is then given a Cancelled.

        A run that has begun goes on: onnxruntime has the thread.
        """
        return self._call_off is not None and self._call_off()
