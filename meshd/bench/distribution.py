"""How fast a model travels between two daemons, and what inference notices of it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from meshd.bench.beside import running
from meshd.bench.tiny import FOLDER, MODELS, NAME, TinyModel
from meshd.cli.output import progress
from meshd.client import AsyncClient
from meshd.core.node import DeviceClass
from meshd.demo.household import Household
from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.pieces import PieceMap
from model_registry.trust.signature import signed
from model_registry.trust.signing_key import SigningKey

FREIGHT = "bench-freight"
FREIGHT_BYTES = 20 * 2**20
_DOC_STRING = 6
"""Number of the field in ONNX's ModelProto; a model may carry any text there, and no runtime keeps it."""
_LENGTH_DELIMITED = 2
_LOOK_S = 0.005


class Distribution(Struct, frozen=True, kw_only=True):
    """One model taken over from a peer again and again, while requests go on."""

    size_bytes: int
    rounds: int
    fetch_bps: float
    """Bytes a second from the first question to the verified artifact on the disk, at the median round."""
    fetching_p99_ratio: float
    """Of requests that the fetching node runs itself: 99th percentile during fetches over that of quiet times."""
    lending_p99_ratio: float
    """The same of requests that cross the very link that the model comes by, to the node that lends it."""
    calls: int
    """Requests of the smaller of the two during fetches."""


class _Times:
    """Seconds that calls took, in quiet and during fetches."""

    def __init__(self) -> None:
        self.quiet: list[float] = []
        self.busy: list[float] = []

    @property
    def p99_ratio(self) -> float:
        return round(float(np.percentile(self.busy, 99) / np.percentile(self.quiet, 99)), 2)


async def measure_distribution(*, rounds: int = 10, size_bytes: int = FREIGHT_BYTES) -> Distribution:
    """Let a phone take a model over from a hub on loopback, and time requests on the phone and to the hub meanwhile.

    Raises:
        SetupError: the daemons did not come together.
    """
    with TemporaryDirectory(prefix="meshd-bench-") as folder:
        key = SigningKey.create(Path(folder) / "publisher.pem")
        bundle = lay_freight(Path(folder) / FREIGHT, key, size_bytes=size_bytes)
        async with Household(models=MODELS, publishers=(key.publisher,)) as household:
            await household.gather(NAME)
            await household.client(DeviceClass.HUB).install_model(bundle)
            return await _fetch_again_and_again(household, rounds=rounds, size_bytes=size_bytes)


def lay_freight(folder: Path, key: SigningKey, *, size_bytes: int) -> Path:
    """Write a signed bundle: the tiny model for phones and hubs, made so heavy that it takes a while to travel."""
    tiny = manifests.load(FOLDER / MANIFEST)
    tier = tiny.tiers[-1]
    content = _heavier((FOLDER / tier.variants[0].file).read_bytes(), size_bytes)
    variant = replace(
        tier.variants[0],
        artifact=hashlib.sha256(content).hexdigest(),
        pieces=PieceMap.of(content).root,
        size_bytes=len(content),
    )
    freight = replace(tiny, name=FREIGHT, unsigned=False, tiers=(replace(tier, name="phone", variants=(variant,)),))
    folder.mkdir()
    (folder / MANIFEST).write_text(manifests.dumps(signed(freight, key)))
    (folder / variant.file).write_bytes(content)
    return folder


def _heavier(model: bytes, size_bytes: int) -> bytes:
    """Append a text that fills the model up to a size; in protobuf, fields may come in any order."""
    noise = Random(0).randbytes(size_bytes // 2).hex()  # noqa: S311 - nothing secret, and the same every time
    room = size_bytes - len(model) - 8
    text = noise[:room].encode()
    return model + bytes([_DOC_STRING << 3 | _LENGTH_DELIMITED]) + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


async def _fetch_again_and_again(household: Household, *, rounds: int, size_bytes: int) -> Distribution:
    phone = household.client(DeviceClass.PHONE)
    own, crossing, rates = _Times(), _Times(), []
    progress(f"fetching {size_bytes / 2**20:.0f} MiB {rounds} times beside requests ...")
    async with _watching(phone) as travelling:
        for _ in range(rounds):
            for times, tier in ((own, DeviceClass.PHONE), (crossing, DeviceClass.HUB)):
                async with _asking(phone, tier, times, travelling):
                    await asyncio.sleep(1.0)
                    taken = await phone.fetch_model(FREIGHT)
                    await asyncio.sleep(0.2)
                rates.append(taken.moved_bytes / taken.moved_s)
                await phone.remove_model(FREIGHT)
    return Distribution(
        size_bytes=size_bytes,
        rounds=rounds,
        fetch_bps=round(float(np.median(rates))),
        fetching_p99_ratio=own.p99_ratio,
        lending_p99_ratio=crossing.p99_ratio,
        calls=min(len(own.busy), len(crossing.busy)),
    )


@asynccontextmanager
async def _watching(phone: AsyncClient) -> AsyncIterator[asyncio.Event]:
    """Give an event that is set while something is on its way to the phone."""
    travelling = asyncio.Event()

    async def look() -> None:
        while True:
            arriving = (await phone.models()).arriving
            travelling.set() if arriving else travelling.clear()
            await asyncio.sleep(_LOOK_S)

    async with running(look()):
        yield travelling


@asynccontextmanager
async def _asking(
    phone: AsyncClient, tier: DeviceClass, times: _Times, travelling: asyncio.Event
) -> AsyncIterator[None]:
    """Ask for a tier again and again; a call counts as busy if a model travelled when it began and when it ended."""
    model = TinyModel()

    async def ask() -> None:
        while True:
            was, started = travelling.is_set(), time.perf_counter()
            await phone.infer(NAME, model.inputs, min_tier=tier)
            seconds = time.perf_counter() - started
            if was and travelling.is_set():
                times.busy.append(seconds)
            elif not was and not travelling.is_set():
                times.quiet.append(seconds)

    async with running(ask()):
        yield
