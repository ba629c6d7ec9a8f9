"""A household whose links are slow and whose watch and phone are weak, as far as this machine allows.

With root: each daemon in a network namespace behind a token bucket. Without: links that the daemons shape themselves.
Weak devices take control groups; where there are none, all are equally strong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from meshd.client import AsyncClient
from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass
from meshd.demo import cpu_limit, namespaces
from meshd.demo.cpu_limit import CpuLimit
from meshd.demo.device import Place
from meshd.demo.household import Household
from meshd.demo.spending import HOUSEHOLD
from meshd.errors import SetupError
from meshd.plan_document import PlanDocument, PlanQuestion

Links = Literal["namespaces", "shaped"]
CORES = {DeviceClass.WATCH: 0.2}
"""Shares of a core; the others have all they can get."""
_POLL_S = 0.05
_NO_MODEL = "none-of-them"
"""What a device is told to host that is to host nothing."""
_PATIENCE_S = 120.0
"""Weak devices start before they are weak; a first start tries every model three times on this one machine."""


class Surroundings(Struct, frozen=True, kw_only=True):
    """Where the devices stand."""

    links: Links
    places: Mapping[DeviceClass, Place]
    limits: Mapping[DeviceClass, CpuLimit]
    """Empty where processors cannot be limited."""

    def grant(self, cores: Mapping[DeviceClass, float]) -> None:
        """Grant devices only a share of a core from now on, and those that are not named all they can get."""
        for name, limit in self.limits.items():
            if name in cores:
                limit.grant(cores[name])
            else:
                limit.grant_all()


class Slow(NamedTuple):
    """A household in its surroundings."""

    household: Household
    around: Surroundings

    @property
    def watch(self) -> AsyncClient:
        """Return the client of the one that is asked."""
        return self.household.client(DeviceClass.WATCH)


@asynccontextmanager
async def slow_household(
    *,
    rate_bps: float,
    folder: Path,
    models: Path,
    names: Collection[str],
    cores: Mapping[DeviceClass, float] = CORES,
    hosts: Collection[DeviceClass] = HOUSEHOLD,
    links: Links | None = None,
) -> AsyncIterator[Slow]:
    """Give a household whose ``hosts`` host the models ``names``, all of them cut, behind links of that rate.

    Raises:
        SetupError: the daemons did not come together.
    """
    with surroundings(rate_bps, links=links) as around:
        places = {name: place if name in hosts else _hosting_nothing(place) for name, place in around.places.items()}
        async with Household(folder, models=models, places=places) as household:
            await household.meet({}, patience_s=_PATIENCE_S)
            await _until_cut(household, names, len(hosts))
            around.grant(cores)
            yield Slow(household, around)


def _hosting_nothing(place: Place) -> Place:
    return replace(place, tables={**place.tables, "models": {**place.tables["models"], "host": [_NO_MODEL]}})


async def _until_cut(household: Household, names: Collection[str], hosts: int) -> None:
    """Wait until the stages of all these models were tried on all devices, which happens behind everything else."""
    for name in names:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await _until_one_is_cut(household.client(DeviceClass.WATCH), ModelName(name), hosts)
        except TimeoutError:
            told = f"the stages of {name} were not ready on every device within {_PATIENCE_S:g} s."
            raise SetupError(told, hint=f"`meshd status` says why; logs are in {household.folder}.") from None


async def _until_one_is_cut(watch: AsyncClient, name: ModelName, hosts: int) -> None:
    while not _is_cut(await watch.plan(PlanQuestion(model=name)), hosts):  # noqa: ASYNC110  It can only be asked.
        await asyncio.sleep(_POLL_S)


def _is_cut(document: PlanDocument, hosts: int) -> bool:
    cut = [host for host in document.hosts if host.hosted and all(tier.stages for tier in host.hosted)]
    return len(cut) == hosts


@contextmanager
def surroundings(rate_bps: float, *, links: Links | None = None) -> Iterator[Surroundings]:
    """Make what there can be: namespaces or shaped links, and control groups."""
    links = links or ("shaped" if namespaces.why_no_rate() else "namespaces")
    with ExitStack() as ending:
        limits: dict[DeviceClass, CpuLimit] = {}
        if cpu_limit.why_not() is None:
            limits = {name: ending.enter_context(cpu_limit.cpu_limit()) for name in HOUSEHOLD}
        places = (
            _apart(rate_bps, ending) if links == "namespaces" else dict.fromkeys(HOUSEHOLD, _side_by_side(rate_bps))
        )
        yield Surroundings(
            links=links,
            places={name: _limited(place, limits.get(name)) for name, place in places.items()},
            limits=limits,
        )


def _limited(place: Place, limit: CpuLimit | None) -> Place:
    # The group first: inside of a network namespace the file system of control groups is not to be seen.
    prefix = (*(limit.prefix if limit else ()), *place.prefix)
    return Place(prefix=prefix, tables={**_ROOM, **place.tables})


_ROOM: dict[str, dict[str, Any]] = {
    "models": {"memory_budget_bytes": 2**30},
    "mqtt": {"embedded": False},
    "scheduler": {"latency_price_watts": 1_000.0},
}
"""Weak in computing, yet no model has to leave another one's memory; and only time counts, which is what is measured:
at a joule a millisecond no battery weighs against it."""


def _apart(rate_bps: float, ending: ExitStack) -> dict[DeviceClass, Place]:
    machines = ending.enter_context(namespaces.namespaces(len(HOUSEHOLD)))
    for machine in machines:
        machine.limit(rate_bps)
    listening: dict[str, dict[str, Any]] = {"listen": {"host": "0.0.0.0"}, "discovery": {"interfaces": []}}  # noqa: S104  A network of its own.
    return {
        name: Place(prefix=machine.prefix, tables=listening) for name, machine in zip(HOUSEHOLD, machines, strict=True)
    }


def _side_by_side(rate_bps: float) -> Place:
    return Place(tables={"shaping": {"rate_bps": rate_bps, "delay_s": 0.0005}})
