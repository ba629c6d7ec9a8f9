"""How fast one model is beside another, measured in turns, so that what slows the machine slows both."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from msgspec import Struct
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
ROUNDS, WARM_UP = 200, 10


class Latency(Struct, frozen=True, kw_only=True):
    """Median and 99th percentile of one run on one example, one thread."""

    p50_ms: float
    p99_ms: float


def opened(content: bytes) -> Any:
    """Return a session of one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def in_turns(sessions: Sequence[Any], examples: Arrays, rounds: int = ROUNDS) -> list[Latency]:
    """Run every session once a round on the same example, and return what each took."""
    count = len(next(iter(examples.values())))
    spent: list[list[float]] = [[] for _ in sessions]
    for turn in range(rounds + WARM_UP):
        one = {name: part[turn % count : turn % count + 1] for name, part in examples.items()}
        for session, times in zip(sessions, spent, strict=True):
            start = time.perf_counter()
            session.run(None, one)
            times.append(time.perf_counter() - start)
    return [_latency(np.array(times[WARM_UP:]) * 1e3) for times in spent]


def _latency(times_ms: NDArray[np.float64]) -> Latency:
    p50, p99 = np.quantile(times_ms, [0.5, 0.99])
    return Latency(p50_ms=round(float(p50), 4), p99_ms=round(float(p99), 4))
