"""How long a model takes by itself, on the daemon that is asked, and on another one behind it."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from meshd.bench.report import Quantiles
from meshd.bench.tiny import NAME, TinyModel
from meshd.client import Client
from meshd.core.node import DeviceClass
from meshd.errors import SetupError


class Latencies(Struct, frozen=True, kw_only=True):
    """One model, three ways."""

    run: Quantiles
    local: Quantiles
    remote: Quantiles


def measure_latencies(model: TinyModel, watch: Client, *, blocks: int, calls: int) -> Latencies:
    """Time all three ways in turns, so that whatever else the machine does meets all of them alike.

    The first block of each warms it up and does not count.

    Raises:
        SetupError: a request ran elsewhere than it was meant to.
    """

    def ask(tier: DeviceClass) -> None:
        result = watch.infer(NAME, model.inputs, min_tier=tier)
        if result.tier is not tier:
            raise SetupError(f"the {result.tier} tier answered where the {tier} tier was to be timed.")

    ways: tuple[Callable[[], object], ...] = (
        model.run,
        lambda: ask(DeviceClass.WATCH),
        lambda: ask(DeviceClass.HUB),
    )
    times: tuple[list[float], ...] = ([], [], [])
    for block in range(blocks + 1):
        for way, seconds in zip(ways, times, strict=True):
            measured = _times(way, calls)
            seconds.extend(measured if block else ())
    run, local, remote = map(Quantiles.of, times)
    return Latencies(run=run, local=local, remote=remote)


def _times(way: Callable[[], object], calls: int) -> list[float]:
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - started)
    return seconds
