"""The benchmark from start to end: households are started, asked, watched in idleness, and stopped."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from meshd.bench.decisions import measure_decisions
from meshd.bench.distribution import measure_distribution
from meshd.bench.footprint import Footprint, measure_footprint
from meshd.bench.healing import measure_healing
from meshd.bench.large_tensor import measure_large_tensor
from meshd.bench.latency import Latencies, measure_latencies
from meshd.bench.machine import this_machine
from meshd.bench.overload import measure_overload
from meshd.bench.report import Conversion, Overload, Quantiles, Report
from meshd.bench.throughput import Rates, measure_rates
from meshd.bench.tiny import MODELS, NAME, TinyModel
from meshd.cli.output import progress
from meshd.client import Client
from meshd.core.node import DeviceClass
from meshd.demo.household import Household
from meshd.demo.player import DEADLINE_S, INPUT, MODEL
from meshd.demo.stream import Stream
from model_registry.extra import installing

if TYPE_CHECKING:
    from meshd.bench.partitions import Partitions


class Effort(Struct, frozen=True, kw_only=True):
    """How long to measure."""

    starts: int = 10
    blocks: int = 20
    calls: int = 200
    """Of each way in each block."""
    loaded_s: float = 5.0
    loads: int = 3
    """Rounds of 16 clients at once, in turns with MLServer where it is compared with."""
    large_calls: int = 1000
    decisions: int = 2000
    overload_s: float = 10.0
    idle_s: float = 20.0
    """Long enough to tell 0.05 % of a core from nothing, by a clock of hundredths of a second."""
    windows: int = 100
    fetches: int = 10
    flips: int = 20
    scrub_s: float = 20.0
    quick_models: bool = False
    """Compare variants for a tenth of a second each and import nothing; compare the plans of one model only."""

    @classmethod
    def quick(cls) -> Effort:
        """Return an effort that shows that everything works, and no figure to rely on."""
        return cls(
            starts=1,
            blocks=2,
            calls=20,
            loaded_s=0.5,
            loads=1,
            large_calls=20,
            decisions=20,
            overload_s=0.5,
            idle_s=0.5,
            windows=5,
            fetches=1,
            flips=1,
            scrub_s=0.5,
            quick_models=True,
        )


class Bench:
    """One run."""

    def __init__(self, effort: Effort, *, vision: Path | None = None, mlserver: bool = False) -> None:
        """Take the folder of the vision family's files, if it is at hand, and whether to compare with MLServer."""
        self._effort = effort
        self._mlserver = mlserver
        self._vision = vision

    def run(self) -> Report:
        """Measure everything.

        Raises:
            SetupError: the daemons did not come together.
        """
        progress("timing decisions, and large tensors by TLS ...")
        decision_us = measure_decisions(self._effort.decisions)
        large_tensor_us = measure_large_tensor(self._effort.large_calls)
        return asyncio.run(self._measure(decision_us, large_tensor_us))

    async def _measure(self, decision_us: dict[int, Quantiles], large_tensor_us: Quantiles) -> Report:
        machine = this_machine()
        latencies, rates, overload = await self._time()
        discovery_s = [await self._discover() for _ in range(self._effort.starts - 1)]
        last_s, footprint = await self._discover_and_rest()
        distribution = await measure_distribution(rounds=self._effort.fetches)
        healing = await measure_healing(rounds=self._effort.flips, watch_s=self._effort.scrub_s)
        partitions = await self._partition()
        return Report(
            run_us=latencies.run,
            local_us=latencies.local,
            remote_us=latencies.remote,
            throughput_rps=rates.meshd,
            mlserver_rps=rates.mlserver,
            large_tensor_us=large_tensor_us,
            decision_us=decision_us,
            overload_mb=overload,
            discovery_s=(*discovery_s, last_s),
            resident_mb=footprint.resident_mb,
            idle_cpu_percent=footprint.idle_cpu_percent,
            distribution=distribution,
            healing=healing,
            conversion=self._convert(),
            plans=partitions.plans if partitions else (),
            pipeline=partitions.pipeline if partitions else None,
            pipeline_speedup=partitions.pipeline.speedup if partitions else None,
            cuts=partitions.cuts if partitions else (),
            machine=machine,
        )

    def _convert(self) -> Conversion | None:
        if find_spec("onnx") is None:
            progress(f"conversion is not measured: {installing('convert')}")
            return None
        from meshd.bench.conversion import measure_conversion  # noqa: PLC0415 - an extra.

        return measure_conversion(vision=self._vision, quick=self._effort.quick_models)

    async def _partition(self) -> Partitions | None:
        if find_spec("onnx") is None:
            progress(f"plans are not compared: {installing('convert')}")
            return None
        from meshd.bench.partitions import PartitionsEffort, measure_partitions  # noqa: PLC0415 - an extra.

        effort = PartitionsEffort.quick() if self._effort.quick_models else PartitionsEffort()
        return await measure_partitions(effort, files=self._vision)

    async def _time(self) -> tuple[Latencies, Rates, Overload]:
        effort, model = self._effort, TinyModel()
        async with Household(models=MODELS) as household:
            await household.gather(NAME)
            watch = str(household.devices[DeviceClass.WATCH].socket)
            progress(f"timing {effort.blocks} blocks of {effort.calls} calls: bare, on the watch, on the hub ...")
            with Client(watch) as client:
                latencies = measure_latencies(
                    model.run,
                    lambda tier: client.infer(NAME, model.inputs, min_tier=tier),
                    blocks=effort.blocks,
                    calls=effort.calls,
                )
            progress("asking the watch from 16 clients at once ...")
            rates = await measure_rates(
                model, watch, seconds=effort.loaded_s, rounds=effort.loads, mlserver=self._mlserver
            )
            progress(f"asking the watch for more than it can do for {effort.overload_s:g} s ...")
            pid = household.devices[DeviceClass.WATCH].pid
            return latencies, rates, await measure_overload(model, watch, pid, seconds=effort.overload_s)

    async def _discover(self) -> float:
        async with Household() as household:
            return await _gathered_s(household)

    async def _discover_and_rest(self) -> tuple[float, Footprint]:
        async with Household() as household:
            seconds = await _gathered_s(household)
            await self._use(household)
            progress(f"watching the daemons do nothing for {self._effort.idle_s:g} s ...")
            return seconds, await measure_footprint(household, seconds=self._effort.idle_s)

    async def _use(self, household: Household) -> None:
        """Have every tier answer, so that memory is what a node in use takes."""
        windows = Stream.shipped().windows[: self._effort.windows]
        for tier in household.devices:
            inputs = ({INPUT: window[None]} for window in windows)
            watch = household.client(DeviceClass.WATCH)
            async for _ in watch.infer_many(MODEL, inputs, deadline_s=DEADLINE_S, min_tier=tier):
                pass


async def _gathered_s(household: Household) -> float:
    """Wait until all see each other; return how long the slowest node took from its own start."""
    await household.gather(MODEL)
    seconds = round(max(household.discovered_s.values()), 3)
    progress(f"three daemons found each other within {seconds:.2f} s")
    return seconds
