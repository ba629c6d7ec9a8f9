"""A stream of requests over two equal nodes, against the same stream on one of them."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from meshd.bench.plans import Comparison
from meshd.bench.slow_household import Links, slow_household
from meshd.cli.output import progress
from meshd.client import AsyncClient
from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass
from meshd.plan_document import PlanQuestion

_TWO = (DeviceClass.WATCH, DeviceClass.HUB)
_IN_FLIGHT = 6
"""Requests alive at once: enough that both nodes and the link between them have work."""
_RATE_BPS = 20e6
"""At which the input takes longer to send than the whole takes to run, and what crosses the cut does not."""
_DEADLINE_S = 30.0


class Pipeline(Struct, frozen=True, kw_only=True):
    """Answers a second of one model, three ways."""

    model: str
    bandwidth_bps: float
    links: Links
    cores: float
    """What each of the two daemons may take."""
    one_rps: float
    """All on the node that is asked."""
    split: str
    """The place of the plan whose two legs and link are nearest in length."""
    split_rps: float
    """All by that plan: the second node runs the end of one item while the first begins the next."""
    free_rps: float
    """Wherever the scheduler sends each."""
    freely: dict[str, int]
    """Where that was, for a sample of them."""

    @property
    def speedup(self) -> float:
        """Return how many times as many answers two nodes give as one."""
        return round(self.split_rps / self.one_rps, 3)

    @property
    def free_speedup(self) -> float:
        """Return the same where the scheduler decides."""
        return round(self.free_rps / self.one_rps, 3)


def fair_cores() -> float:
    """Return what each of two daemons may take so that the one who asks has something left: one core, or less."""
    return min(1.0, ((os.cpu_count() or 1) - 0.6) / 2)


async def measure_pipeline(
    model: str, inputs: Mapping[str, Any], bundles: Path, state: Path, *, seconds: float
) -> Pipeline:
    """Stream one model for so long each way.

    Raises:
        SetupError: the daemons did not come together.
    """
    cores = fair_cores()
    around = slow_household(
        rate_bps=_RATE_BPS,
        folder=state,
        models=bundles,
        names=(model,),
        cores=dict.fromkeys(_TWO, cores),
        hosts=_TWO,
        links="shaped",
    )
    async with around as slow:
        stream = _Stream(slow.watch, model, inputs)
        await stream.warm_up()
        split = await stream.evenest()
        ways = {place: await stream.rps(place, seconds) for place in ("watch", split, "")}
        freely = stream.places
    rates = f"{ways['watch']:.0f}/s on one node, {ways[split]:.0f}/s as {split}, {ways['']:.0f}/s freely"
    progress(f"{model} in a stream: {rates}")
    return Pipeline(
        model=model,
        bandwidth_bps=_RATE_BPS,
        links=slow.around.links,
        cores=cores,
        one_rps=round(ways["watch"], 2),
        split=split,
        split_rps=round(ways[split], 2),
        free_rps=round(ways[""], 2),
        freely=dict(freely.most_common()),
    )


class _Stream:
    """Requests for one model, several at once."""

    def __init__(self, client: AsyncClient, model: str, inputs: Mapping[str, Any]) -> None:
        self.places: Counter[str] = Counter()
        """By how their routes read, of all that were sent freely."""
        self._client = client
        self._model = model
        self._inputs = inputs

    async def warm_up(self) -> None:
        await Comparison(self._client, self._model, self._inputs).warm_up(rounds=5)

    async def evenest(self) -> str:
        """Return the split whose slowest part, link included, is the least slow."""
        here, there = (await self._client.plan(PlanQuestion(model=ModelName(self._model)))).hosts
        stages, tail = here.hosted[0].stages, there.hosted[0].stages

        def slowest_s(cut: int) -> float:
            crossing_s = 8.0 * stages[cut - 1].out_bytes / _RATE_BPS
            legs_s = sum(stage.compute_s for stage in stages[:cut]), sum(stage.compute_s for stage in tail[cut:])
            return max(crossing_s, *legs_s)

        cut = min(range(1, len(stages)), key=slowest_s)
        return f"{here.name} 0-{cut}, {there.name} {cut}-{len(stages)}"

    async def rps(self, place: str, seconds: float) -> float:
        """Return the answers a second by one plan, or freely; what is under way at the end is waited for and counts."""
        await self._answers(place, seconds / 4)
        self.places.clear()
        started = time.perf_counter()
        answered = await self._answers(place, seconds)
        return answered / (time.perf_counter() - started)

    async def _answers(self, place: str, seconds: float) -> int:
        end_s = time.perf_counter() + seconds

        async def keep_asking() -> int:
            answered = 0
            while time.perf_counter() < end_s:
                result = await self._client.infer(self._model, self._inputs, plan=place, deadline_s=_DEADLINE_S)
                self.places[" → ".join(hop.node for hop in result.route)] += 1
                answered += 1
            return answered

        return sum(await asyncio.gather(*(keep_asking() for _ in range(_IN_FLIGHT))))
