"""How long a model takes by itself, on the daemon that is asked, and on another one behind it."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from meshd.bench.report import Quantiles
from meshd.client import Result
from meshd.core.node import DeviceClass
from meshd.errors import SetupError


class Latencies(Struct, frozen=True, kw_only=True):
    """One model, three ways."""

    run: Quantiles
    local: Quantiles
    remote: Quantiles


def measure_latencies(
    run: Callable[[], object], ask: Callable[[DeviceClass], Result], *, blocks: int, calls: int
) -> Latencies:
    """Time the bare run, a request for the watch's tier and one for the hub's; ``ask`` must reach the watch.

    The three take turns in blocks of calls, so that whatever else the machine does meets all of them alike. The first
    block of each warms it up and does not count.

    Raises:
        SetupError: a request ran elsewhere than it was meant to.
    """
    ways = (run, lambda: _ask_exactly(DeviceClass.WATCH, ask), lambda: _ask_exactly(DeviceClass.HUB, ask))
    times: tuple[list[float], ...] = ([], [], [])
    for block in range(blocks + 1):
        for way, seconds in zip(ways, times, strict=True):
            measured = _times(way, calls)
            seconds.extend(measured if block else ())
    bare, local, remote = map(Quantiles.of, times)
    return Latencies(run=bare, local=local, remote=remote)


def _ask_exactly(tier: DeviceClass, ask: Callable[[DeviceClass], Result]) -> None:
    answered = ask(tier).tier
    if answered is not tier:
        raise SetupError(f"the {answered} tier answered where the {tier} tier was to be timed.")


def _times(way: Callable[[], object], calls: int) -> list[float]:
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - started)
    return seconds
