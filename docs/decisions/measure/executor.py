"""Measure what record 0003 states: what stands between a request and onnxruntime.

Run: `.venv/bin/python docs/decisions/measure/executor.py [BUNDLE]`; without a bundle, on the model that ships.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from meshd.executor.admissions import Admissions
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedKey
from model_registry.admission.admitted import Limits
from model_registry.runtime.session import open_session
from model_registry.store import ModelStore

RUNS = 3_000
BUDGET_BYTES = 1 << 30


def quantiles_us(step: Callable[[], object], runs: int = RUNS) -> tuple[float, float]:
    """Return the median and the 99th percentile of a step."""
    for _ in range(100):
        step()
    times = []
    for _ in range(runs):
        started = perf_counter()
        step()
        times.append(perf_counter() - started)
    return _quantiles(times)


def _quantiles(times: list[float]) -> tuple[float, float]:
    times.sort()
    return times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6


def show(what: str, figures: tuple[float, float]) -> None:
    """Print one line of the table."""
    sys.stdout.write(f"{what:44} p50 {figures[0]:8.1f} us   p99 {figures[1]:8.1f} us\n")


async def through_thread(
    executor: Executor, key: HostedKey, inputs: dict[str, np.ndarray[Any, Any]], runs: int = RUNS
) -> tuple[float, float]:
    """Return the time from submit to done where the stage runs in a worker thread."""
    loop = asyncio.get_running_loop()
    times = []
    for _ in range(runs):
        ended = loop.create_future()
        started = perf_counter()
        executor.submit(key, inputs, ended.set_result)
        await ended
        times.append(perf_counter() - started)
    return _quantiles(times)


async def main() -> None:
    """Measure the weakest tier of a model."""
    with TemporaryDirectory() as folder:
        store = ModelStore(Path(folder))
        manifest = store.add(Path(sys.argv[1])) if sys.argv[1:] else store.install_bundled("ecg-anomaly")
        tier = manifest.tiers[0]
        admission = Admissions(
            Path(folder) / "admitted.json", Limits(memory_bytes=1 << 30, size_bytes=1 << 30, wall_s=60.0)
        )
        made = [
            Executor(store, slots=1, memory_budget_bytes=1 << 30, admission=admission, inline_below_s=s)
            for s in (1.0, 0.0)
        ]
        inline, threaded = made
        hosted = inline.host(manifest, tier, tier.variants[0])
        inline.profile(hosted)
        threaded.host(manifest, tier, tier.variants[0])
        inputs = {
            name: np.random.default_rng(0).integers(-300, 300, array.shape).astype(array.dtype)
            for name, array in hosted.inputs.smallest().items()
        }
        session = open_session(store.read_artifact(tier.variants[0].artifact))
        names = [output.name for output in tier.outputs]
        show("session.run", quantiles_us(lambda: session.run(names, inputs)))
        show("validate", quantiles_us(lambda: hosted.inputs.check(inputs)))
        show("submit, inline, to done", quantiles_us(lambda: inline.submit(hosted.key, inputs, lambda _: None)))
        show("submit, worker thread, to done", await through_thread(threaded, hosted.key, inputs))
        for executor in made:
            executor.close()


if __name__ == "__main__":
    asyncio.run(main())
