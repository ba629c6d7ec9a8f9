"""Measure stages of a model that can be cut: taking them out, loading them, and how well their times are foretold.

Run: `.venv/bin/python docs/decisions/measure/stages.py BUNDLE...`, of bundles that `meshd models split` has cut.
"""

import asyncio
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from meshd.executor.admissions import Admissions
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedModel
from meshd.executor.stage import StageResult
from model_registry.admission.admitted import Limits
from model_registry.admission.golden import golden_inputs
from model_registry.runtime.stage_file import stage_bytes
from model_registry.store import ModelStore

RUNS = 60
BUDGET_BYTES = 2 << 30
LIMITS = Limits(memory_bytes=1 << 30, size_bytes=1 << 30, wall_s=60.0)
Tensors = Mapping[str, NDArray[Any]]


async def main() -> None:
    """Measure every variant that has a split."""
    for bundle in sys.argv[1:]:
        with TemporaryDirectory() as folder:
            store = ModelStore(Path(folder))
            manifest = store.add(Path(bundle))
            for tier, variant in manifest.variants():
                if variant.split:
                    admission = Admissions(Path(folder) / "admitted.json", LIMITS)
                    executor = Executor(store, slots=1, memory_budget_bytes=BUDGET_BYTES, admission=admission)
                    hosted = executor.prepare(manifest, tier, variant)
                    executor.take_in(hosted)
                    executor.profile(hosted)
                    await measure(executor, hosted, store.read_artifact(variant.artifact))
                    executor.close()


async def measure(executor: Executor, hosted: HostedModel, content: bytes) -> None:
    """Print what one model's stages cost."""
    show(f"\n{hosted}: {len(content) / 1e6:.1f} MB, {hosted.n_stages} stages")
    taking_out(hosted, content)
    started = perf_counter()
    if not executor.prepare_stages(hosted):
        show("  its stages were refused")
        return
    show(f"  trials and profiles of all stages {perf_counter() - started:6.2f} s")
    drawn = hosted.admitted is not None and hosted.admitted.golden.drawn
    inputs = golden_inputs(hosted.manifest, hosted.artifact, drawn=drawn)
    for cut in range(1, hosted.n_stages):
        foretold = [hosted.stage_times.range_s(*ends, hosted.compute_s) for ends in ((0, cut), (cut, hosted.n_stages))]
        first = await run(executor, hosted, inputs, 0, cut)
        second = await run(executor, hosted, first.outputs, cut, None)
        whole, head, tail = await times_of(executor, hosted, inputs, cut)
        show(f"  cut {cut}: loading {first.load_s * 1e3:5.1f} and {second.load_s * 1e3:5.1f} ms")
        for name, seconds, guess in (("head", head, foretold[0]), ("tail", tail, foretold[1])):
            show(f"    {name} {seconds * 1e3:7.3f} ms, foretold {guess * 1e3:7.3f} ms ({guess / seconds - 1:+4.0%})")
        show(f"    together {(head + tail) / whole:5.3f} of the whole, {whole * 1e3:.3f} ms")


def taking_out(hosted: HostedModel, content: bytes) -> None:
    """Print the time and memory of taking the head and the tail of the first cut out of the file."""
    assert hosted.variant.split is not None
    nodes = hosted.variant.split.cuts[0].nodes
    for name, ends in (("head", (0, nodes)), ("tail", (nodes, None))):
        took = []
        for _ in range(9):
            started = perf_counter()
            stage_bytes(content, *ends)
            took.append(perf_counter() - started)
        tracemalloc.start()
        stage = stage_bytes(content, *ends)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size, peak = f"{len(stage) / 1e6:.2f} MB", f"{peak_bytes / 1e6:.2f} MB"
        show(f"  taking out the {name} {median(took) * 1e3:5.1f} ms, {size}, at most {peak} of memory")


async def times_of(executor: Executor, hosted: HostedModel, inputs: Tensors, cut: int) -> tuple[float, float, float]:
    """Return the seconds of whole, head and tail, each the median of runs that take turns."""
    taken: list[list[float]] = [[], [], []]
    for _ in range(RUNS):
        taken[0].append((await run(executor, hosted, inputs, 0, None)).compute_s)
        head = await run(executor, hosted, inputs, 0, cut)
        taken[1].append(head.compute_s)
        taken[2].append((await run(executor, hosted, head.outputs, cut, None)).compute_s)
    whole, head_s, tail_s = (median(times) for times in taken)
    return whole, head_s, tail_s


async def run(executor: Executor, hosted: HostedModel, inputs: Tensors, first: int, last: int | None) -> StageResult:
    """Run stages [first, last)."""
    ended = asyncio.get_running_loop().create_future()
    executor.submit(hosted.key, inputs, ended.set_result, first=first, last=last)
    end = await ended
    assert isinstance(end, StageResult), end
    return end


def show(line: str) -> None:
    """Print one line."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    asyncio.run(main())
