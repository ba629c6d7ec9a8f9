"""How soon a flipped byte is mended from a peer, what requests notice of it, and what looking for it costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from msgspec import Struct

from meshd.bench.beside import running
from meshd.bench.distribution import FREIGHT, FREIGHT_BYTES, lay_freight
from meshd.bench.tiny import MODELS, NAME, TinyModel
from meshd.cli.output import progress
from meshd.client import AsyncClient
from meshd.core.node import DeviceClass
from meshd.demo.household import Household
from meshd.errors import MeshError, SetupError, UnknownModel
from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.trust.signing_key import SigningKey

_PATIENCE_S = 20.0
_LOOK_S = 0.05
_PAUSE_S = 0.005
"""Between two requests of a stream: a household asks less often by far, and a processor that has nothing left for
looking after models would show its own limits and not theirs."""
_SETTLE_S = 2.0
"""Before the processor's time is looked at: what was just asked for is tidied up."""


class Healing(Struct, frozen=True, kw_only=True):
    """One byte of a store flipped and mended from a peer again and again, while requests go on."""

    store_bytes: int
    rounds: int
    found_s: float
    """From the start of the scrub, which reads at its modest pace, until the damage is found, at the median round."""
    mended_s: float
    """From there to the mended artifact on the disk, at the median round."""
    mended_worst_s: float
    requests: int
    """To the damaged model and to another one, while its file was damaged, searched and mended."""
    failed: int
    scrub_cpu_percent: float
    """Of one core: the whole daemon while it scrubs without a pause, less the same daemon at rest."""
    scrub_bps: float
    """How fast it reads."""


class _Requests:
    """How requests ended."""

    def __init__(self) -> None:
        self.answered = 0
        self.failed = 0


async def measure_healing(*, rounds: int = 20, watch_s: float = 20.0, size_bytes: int = FREIGHT_BYTES) -> Healing:
    """Flip bytes in a phone's store, which has a hub beside it on loopback, and have it scrub.

    Raises:
        SetupError: the daemons did not come together, or a flipped byte was not mended.
    """
    with TemporaryDirectory(prefix="meshd-bench-") as folder:
        key = SigningKey.create(Path(folder) / "publisher.pem")
        bundle = lay_freight(Path(folder) / FREIGHT, key, size_bytes=size_bytes)
        async with Household(models=MODELS, publishers=(key.publisher,)) as household:
            await household.gather(NAME)
            await household.client(DeviceClass.HUB).install_model(bundle)
            phone = household.client(DeviceClass.PHONE)
            await _fetched(phone)
            artifact = manifests.load(bundle / MANIFEST).tiers[0].variants[0].artifact
            file = household.folder / DeviceClass.PHONE / "models" / "artifacts" / artifact
            share, rate_bps, store_bytes = await _cost(phone, household.devices[DeviceClass.PHONE].pid, watch_s)
            requests = _Requests()
            async with _asking(phone, FREIGHT, requests), _asking(phone, NAME, requests):
                times = [await _healed(phone, file, position) for position in _positions(size_bytes, rounds)]
    return Healing(
        store_bytes=store_bytes,
        rounds=rounds,
        found_s=round(float(np.median([found_s for found_s, _ in times])), 3),
        mended_s=round(float(np.median([mended_s for _, mended_s in times])), 3),
        mended_worst_s=round(max(mended_s for _, mended_s in times), 3),
        requests=requests.answered + requests.failed,
        failed=requests.failed,
        scrub_cpu_percent=share,
        scrub_bps=rate_bps,
    )


async def _fetched(phone: AsyncClient) -> None:
    """Have the phone take the model over, as soon as it has heard that the hub lends it."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                await phone.fetch_model(FREIGHT)
            except UnknownModel:
                await asyncio.sleep(_LOOK_S)
            else:
                return


def _positions(size_bytes: int, rounds: int) -> list[int]:
    chance = Random(0)  # noqa: S311 - nothing secret, and the same every time
    return [chance.randrange(size_bytes) for _ in range(rounds)]


async def _healed(phone: AsyncClient, file: Path, position: int) -> tuple[float, float]:
    """Flip one bit, have the phone scrub, and return the seconds until it was found, and from then until mended."""
    whole = await asyncio.to_thread(file.read_bytes)
    await asyncio.to_thread(_flip, file, position)
    document = await phone.verify_models()
    outcomes = [finding.outcome for finding in document.findings]
    if outcomes != ["mended"] or await asyncio.to_thread(file.read_bytes) != whole:
        raise SetupError(f"byte {position} was flipped and not mended: {outcomes}.")
    return document.took_s - document.mending_s, document.mending_s


def _flip(file: Path, position: int) -> None:
    with file.open("r+b") as artifact:
        artifact.seek(position)
        byte = artifact.read(1)[0]
        artifact.seek(position)
        artifact.write(bytes([byte ^ 1]))


async def _cost(phone: AsyncClient, pid: int, seconds: float) -> tuple[float, float, int]:
    """Return the share of a core, in percent, the bytes a second, and the bytes of scrubs without a pause."""
    progress(f"watching a daemon scrub, and do nothing, for {seconds:g} s each ...")
    process = psutil.Process(pid)
    await asyncio.sleep(_SETTLE_S)
    idle = await _share(process, asyncio.sleep(seconds))
    read: list[tuple[int, float]] = []
    busy = await _share(process, _scrub_for(phone, seconds, read))
    n_bytes, took_s = map(sum, zip(*read, strict=True))
    return round((busy - idle) * 100, 2), round(n_bytes / took_s), read[-1][0]


async def _scrub_for(phone: AsyncClient, seconds: float, read: list[tuple[int, float]]) -> None:
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        document = await phone.verify_models()
        read.append((document.n_bytes, document.took_s))


async def _share(process: psutil.Process, work: Awaitable[None]) -> float:
    """Return the part of one core that a process takes while something goes on."""
    before, started_s = process.cpu_times(), time.perf_counter()
    await work
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.perf_counter() - started_s)


@asynccontextmanager
async def _asking(phone: AsyncClient, model: str, requests: _Requests) -> AsyncIterator[None]:
    """Have the phone answer a steady stream of requests for as long as the context lasts."""
    inputs = TinyModel().inputs

    async def ask() -> None:
        while True:
            try:
                await phone.infer(model, inputs, min_tier=DeviceClass.PHONE)
                requests.answered += 1
            except MeshError:
                requests.failed += 1
            await asyncio.sleep(_PAUSE_S)

    async with running(ask()):
        yield
