"""Measure what record 0003 states: which models are better run in the event loop than in a worker thread.

Run: `.venv/bin/python docs/decisions/measure/thread_hop.py`. Every request also keeps the loop busy for what a daemon
needs for one: there is no idle loop to hand results to.
"""

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from meshd.executor.admissions import Admissions
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedModel
from meshd.executor.stage import StageEnd
from model_registry.admission.admitted import Limits
from model_registry.manifest import Manifest
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Tier, Variant

LOOP_S = 150e-6
WIDTH = 256
WAYS = (("inline", 1, 10.0), ("1 thread", 1, 0.0), ("2 threads", 2, 0.0))
LIMITS = Limits(memory_bytes=1 << 30, size_bytes=1 << 30, wall_s=60.0)
DEPTHS = (8, 20, 40, 80, 120, 200, 400)
CLIENTS = 16
REQUESTS = 1_000


def chain(depth: int) -> bytes:
    """Return a model of so many products of a row and a matrix."""
    nodes = [helper.make_node("MatMul", [f"h{n}", "w"], [f"h{n + 1}"]) for n in range(depth)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, WIDTH]) for name in ("h0", f"h{depth}")]
    weights = numpy_helper.from_array(np.full((WIDTH, WIDTH), 1 / WIDTH, np.float32), "w")
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], [weights])
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()
    return content


def described(content: bytes, depth: int) -> Manifest:
    """Return its manifest."""
    artifact = hashlib.sha256(content).hexdigest()
    variant = Variant(
        name="fp32", precision="fp32", file="chain.onnx", artifact=artifact, size_bytes=len(content), macs=1
    )
    output = Tensor(name=f"h{depth}", dtype="float32", shape=(1, WIDTH))
    return Manifest(
        schema=1, name="chain", version="1.0.0", summary="a chain", license="Apache-2.0", task="test",
        privacy="household", unsigned=True, axes={"batch": Axis(max=1)},
        inputs=(Tensor(name="h0", dtype="float32", shape=(1, WIDTH)),),
        tiers=(Tier(name="watch", outputs=(output,), variants=(variant,)),),
    )  # fmt: skip


class Shelf:
    """A store of one artifact."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read_artifact(self, _sha256: str) -> bytes:
        """Return it."""
        return self._content


@contextmanager
def hosting(folder: Path, depth: int, *, slots: int, inline_below_s: float) -> Iterator[tuple[Executor, HostedModel]]:
    """Host a chain."""
    content = chain(depth)
    manifest = described(content, depth)
    admission = Admissions(folder / "admitted.json", LIMITS)
    executor = Executor(
        Shelf(content), slots=slots, memory_budget_bytes=1 << 30, admission=admission, inline_below_s=inline_below_s
    )
    hosted = executor.host(manifest, manifest.tiers[0], manifest.tiers[0].variants[0])
    executor.profile(hosted)
    yield executor, hosted
    executor.close()


async def served(executor: Executor, hosted: HostedModel, clients: int) -> tuple[float, float, float]:
    """Return requests a second, and the median and 99th percentile of submit to done in microseconds."""
    loop = asyncio.get_running_loop()
    inputs = hosted.inputs.smallest()
    times: list[float] = []
    over = loop.create_future()

    def ask() -> None:
        until = perf_counter() + LOOP_S
        while perf_counter() < until:
            pass
        started = perf_counter()
        executor.submit(hosted.key, inputs, lambda end: told(started, end))

    def told(started: float, _end: StageEnd) -> None:
        times.append(perf_counter() - started)
        if len(times) < REQUESTS:
            loop.call_soon(ask)
        elif not over.done():
            over.set_result(None)

    began = perf_counter()
    for _ in range(clients):
        ask()
    await over
    rate = len(times) / (perf_counter() - began)
    times.sort()
    return rate, times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6


async def main() -> None:
    """Print a line for each length of model and way of running it."""
    for depth, (name, slots, inline_below_s) in product(DEPTHS, WAYS):
        with TemporaryDirectory() as folder:
            with hosting(Path(folder), depth, slots=slots, inline_below_s=inline_below_s) as (executor, hosted):
                model_us = hosted.compute_s * 1e6
                _, alone_us, _ = await served(executor, hosted, 1)
                rate, _, late_us = await served(executor, hosted, CLIENTS)
            sys.stdout.write(
                f"model {model_us:5.0f} us, {name:9}: alone p50 {alone_us:5.0f} us; {CLIENTS} clients "
                f"{rate:6.0f}/s, p99 {late_us:6.0f} us\n"
            )


if __name__ == "__main__":
    asyncio.run(main())
