"""Measure what record 0013 states: LiteRT's import, its XNNPACK delegate, and following a batch by a fresh interpreter.

Run: `.venv/bin/python docs/decisions/measure/litert.py MODEL.tflite [MORE.tflite]`; it needs the extra `litert`.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from model_registry.admission.confinement import resident_bytes
from model_registry.runtime.session import open_session, runtime_version

RUNS, LARGE = 50, 256


def main() -> None:
    """Print what every model takes, each measured in a process of its own; with `-` before one, measure it here."""
    if sys.argv[1] == "-":
        measure(Path(sys.argv[2]))
        return
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    for path in sys.argv[1:]:
        subprocess.run([sys.executable, __file__, "-", path], check=True, env=environment, stderr=subprocess.DEVNULL)


def measure(path: Path) -> None:
    """Print one model's figures."""
    before, started = resident_bytes(), perf_counter()
    runtime_version("tflite")
    imported_ms, imported_mb = (perf_counter() - started) * 1e3, (resident_bytes() - before) / 1e6
    with_ms, without_ms = (run_ms(path.read_bytes(), delegate=delegate) for delegate in (True, False))
    session = open_session(path.read_bytes(), "tflite")
    [taken] = session.inputs
    names = [tensor.name for tensor in session.outputs]

    def run(batch: int) -> None:
        shape = (batch, *(extent for extent in taken.shape[1:] if isinstance(extent, int)))
        session.run(names, {taken.name: np.zeros(shape, taken.dtype)})

    run(1)
    small = resident_bytes()
    run(LARGE)
    large = resident_bytes()
    run(1)
    fresh_ms = time_ms(lambda: (run(2), run(1))) / 2
    sys.stdout.write(
        f"{path.name}: import {imported_ms:.0f} ms, {imported_mb:.1f} MB; run {with_ms:.3f} ms, without XNNPACK "
        f"{without_ms:.3f} ms; another batch size {fresh_ms:.1f} ms; "
        f"a batch of {LARGE} {(large - small) / 1e6:.0f} MB, after it {(resident_bytes() - small) / 1e6:.0f} MB\n"
    )


def run_ms(content: bytes, *, delegate: bool) -> float:
    """Return the median milliseconds of one run, with LiteRT's own choice of kernels or without its delegate."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: PLC0415 - its import is measured

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    resolver = OpResolverType.AUTO if delegate else plain
    interpreter: Any = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    [taken] = interpreter.get_input_details()
    interpreter.set_tensor(taken["index"], np.zeros(taken["shape"], taken["dtype"]))
    return time_ms(interpreter.invoke)


def time_ms(step: Callable[[], object]) -> float:
    """Return the median milliseconds of a step."""
    step()
    times = []
    for _ in range(RUNS):
        started = perf_counter()
        step()
        times.append(perf_counter() - started)
    return median(times) * 1e3


if __name__ == "__main__":
    main()
