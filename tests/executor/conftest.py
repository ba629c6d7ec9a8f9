"""Executors over models made on the spot."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedModel
from meshd.executor.stage import StageEnd
from model_registry.manifest import Manifest
from tests.executor.artifacts import AdmitsAll, MemoryStore
from tests.executor.graphs import SAMPLES, manifest_of

MAKE = Callable[..., tuple[Executor, list[HostedModel]]]


@pytest.fixture
def host() -> Iterator[MAKE]:
    """Make an executor that hosts one family with the given graphs as its tiers."""
    made: list[Executor] = []

    def make(
        *contents: bytes,
        store: MemoryStore | None = None,
        rule: dict[str, Any] | None = None,
        size_bytes: int | None = None,
        **options: Any,
    ) -> tuple[Executor, list[HostedModel]]:
        manifest = manifest_of(*contents, **rule or {})
        settings: dict[str, Any] = {"slots": 1, "memory_budget_bytes": 1 << 30, "admission": AdmitsAll()} | options
        executor = Executor(store or MemoryStore(*contents), **settings)
        made.append(executor)
        return executor, [_host(executor, manifest, index, size_bytes) for index in range(len(contents))]

    yield make
    for executor in made:
        executor.close()


def _host(executor: Executor, manifest: Manifest, index: int, size_bytes: int | None) -> HostedModel:
    tier = manifest.tiers[index]
    variant = tier.variants[0]
    if size_bytes is not None:
        variant = msgspec.structs.replace(variant, size_bytes=size_bytes)
    return executor.host(manifest, tier, variant)


def items(*means: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return a batch with one item for each mean."""
    return {"ecg": np.repeat(np.array(means, dtype=np.int16)[:, None], SAMPLES, axis=1)}


async def run(executor: Executor, hosted: HostedModel, inputs: dict[str, np.ndarray[Any, Any]]) -> StageEnd:
    """Submit a stage and wait for its end."""
    ended = asyncio.get_running_loop().create_future()
    executor.submit(hosted.key, inputs, ended.set_result)
    return await ended  # type: ignore[no-any-return]
