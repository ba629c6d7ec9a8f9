"""Measure what record 0003 states of onnxruntime's memory settings, each in a process of its own.

Run: `.venv/bin/python docs/decisions/measure/session_options.py MODEL.onnx`
"""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

REPEATS, RUNS = 5, 60
DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int16)": "int16"}


def measure(model: Path, *, arena: bool, pattern: bool) -> tuple[float, float]:
    """Return the median milliseconds of a run, and the megabytes that the model takes privately."""
    import numpy as np  # noqa: PLC0415 - only the measured process pays for it
    import onnxruntime  # noqa: PLC0415

    from meshd.host import memory  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena, options.enable_mem_pattern = arena, pattern
    before = memory.private_bytes()
    session = onnxruntime.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])
    inputs = {
        node.name: np.zeros([n if isinstance(n, int) else 1 for n in node.shape], DTYPES[node.type])
        for node in session.get_inputs()
    }
    times = []
    for _ in range(RUNS):
        started = perf_counter()
        session.run(None, inputs)
        times.append(perf_counter() - started)
    return median(times) * 1e3, (memory.private_bytes() - before) / 1e6


def main() -> None:
    """Print one line for each pair of settings."""
    if sys.argv[2:]:
        figures = measure(Path(sys.argv[1]), arena=sys.argv[2] == "1", pattern=sys.argv[3] == "1")
        sys.stdout.write(f"{figures[0]} {figures[1]}\n")
        return
    for arena, pattern in product("10", repeat=2):
        command = [sys.executable, __file__, sys.argv[1], arena, pattern]
        environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
        told = [
            subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout.split()
            for _ in range(REPEATS)
        ]
        run_ms, private_mb = (median(float(figures[i]) for figures in told) for i in (0, 1))
        sys.stdout.write(f"arena {arena}  patterns {pattern}   run {run_ms:8.3f} ms   private {private_mb:6.1f} MB\n")


if __name__ == "__main__":
    main()
