"""Keeps the models of a node sound while it runs: re-reads their files, asks them what it knows, mends what it can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic

from meshd import log
from meshd.config.config import Models
from meshd.core.ids import ArtifactHash, ModelName
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.healer import WRONG_ANSWERS, Healer
from meshd.daemon.models.prober import Prober
from meshd.daemon.models.scrubber import Examined, Scrubber
from meshd.documents import Finding, VerifyDocument
from meshd.errors import UnknownModel
from meshd.executor.executor import Executor
from meshd.wire.messages import EVERY_MODEL
from model_registry.errors import ArtifactMissing, RegistryError
from model_registry.store import ModelStore


class Health:
    """Scrubs and probes on schedule, and when somebody asks."""

    def __init__(
        self, config: Models, *, store: ModelStore, catalogue: Catalogue, executor: Executor, healer: Healer
    ) -> None:
        self._config = config
        self._store = store
        self._catalogue = catalogue
        self._healer = healer
        self._scrubber = Scrubber(store)
        self._prober = Prober(executor)
        self._prober.on_wrong = self._answered_wrongly
        self._prober.on_reloaded = healer.reloaded
        self._prober.on_lost = self._look_at
        self._scrubbing = asyncio.Lock()
        self._news = asyncio.Event()
        self._suspects: set[ArtifactHash] = set()
        executor.on_unloadable = self._suspect
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, with a scrub: nobody knows what happened while this node was off."""
        self._tasks = [
            asyncio.create_task(_every(self._config.scrub_interval_s, self._scrub), name="scrubber"),
            asyncio.create_task(_every(self._config.probe_interval_s, self.probe), name="prober"),
            asyncio.create_task(_whenever(self._news, self._follow_up), name="healer"),
        ]

    def stir(self) -> None:
        """See soon whether a peer has come that has what is quarantined here."""
        self._news.set()

    async def close(self) -> None:
        """Stop, in the middle of an artifact if need be."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._scrubber.close)

    async def verify(self, model: ModelName) -> VerifyDocument:
        """Scrub now what belongs to a model, or everything, and tell what was found and done.

        Raises:
            UnknownModel: this node has no such model.
        """
        artifacts = await asyncio.to_thread(self._kept)
        if model != EVERY_MODEL:
            artifacts &= self._artifacts_of(model)
        started_s = monotonic()
        async with self._scrubbing:
            examined, findings, mending_s = await self._look_through(sorted(artifacts))
        return VerifyDocument(
            artifacts=len(examined),
            n_bytes=sum(each.n_bytes for each in examined),
            took_s=monotonic() - started_s,
            cpu_s=sum(each.cpu_s for each in examined),
            mending_s=mending_s,
            findings=tuple(findings),
        )

    async def probe(self) -> None:
        """Ask every model in memory now whether it still answers as it did."""
        await self._prober.probe()

    async def _scrub(self) -> None:
        document = await self.verify(EVERY_MODEL)
        log.get_logger().info(
            log.STORE_SCRUBBED,
            artifacts=document.artifacts,
            n_bytes=document.n_bytes,
            took_s=document.took_s,
            cpu_s=document.cpu_s,
            findings=len(document.findings),
        )

    async def _look_through(self, artifacts: Iterable[ArtifactHash]) -> tuple[list[Examined], list[Finding], float]:
        """Return what was examined, what was found, and the seconds that were spent on what was found."""
        examined, findings, mending_s = [], [], 0.0
        for artifact in artifacts:
            try:
                examined.append(await self._scrubber.examine(artifact))
                found_s = monotonic()
                finding = await self._healer.heal(examined[-1])
            except ArtifactMissing:  # Removed or evicted meanwhile.
                continue
            except RegistryError as error:
                log.get_logger().error(log.STORE_FAILED, artifact=artifact, reason=str(error))
                continue
            if finding:
                findings.append(finding)
                mending_s += monotonic() - found_s
        return examined, findings, mending_s

    async def _look_at(self, artifact: ArtifactHash) -> None:
        async with self._scrubbing:
            await self._look_through([artifact])

    def _suspect(self, artifact: ArtifactHash) -> None:
        self._suspects.add(artifact)
        self._news.set()

    async def _follow_up(self) -> None:
        """Look at what could not be loaded, and at what a peer has come for."""
        async with self._scrubbing:
            suspects, self._suspects = self._suspects, set()
            await self._look_through(sorted({*suspects, *self._healer.restorable()}))

    async def _answered_wrongly(self, artifact: ArtifactHash) -> None:
        await self._healer.quarantine(artifact, WRONG_ANSWERS)

    def _kept(self) -> set[ArtifactHash]:
        """Return every artifact there is, in quarantine or not. Blocks."""
        return {ArtifactHash(name) for name in (*self._store.artifacts(), *self._store.quarantined())}

    def _artifacts_of(self, model: ModelName) -> set[ArtifactHash]:
        manifest = self._catalogue.manifest(model)
        if manifest is None:
            raise UnknownModel(f"this node has no model '{model}'.", hint="`meshd models` lists all models.")
        return {ArtifactHash(variant.artifact) for _, variant in manifest.variants()}


async def _every(interval_s: float, act: Callable[[], Awaitable[None]]) -> None:
    """Act now and again, for ever; one time that fails ends nothing."""
    while True:
        started_s = monotonic()
        await _safely(act)
        await asyncio.sleep(max(0.0, started_s + interval_s - monotonic()))


async def _whenever(event: asyncio.Event, act: Callable[[], Awaitable[None]]) -> None:
    """Act each time that the event is set, for ever."""
    while True:
        await event.wait()
        event.clear()
        await _safely(act)


async def _safely(act: Callable[[], Awaitable[None]]) -> None:
    try:
        await act()
    except Exception:  # noqa: BLE001 - the task boundary: the next time may be better
        log.get_logger().exception(log.TASK_FAILED, task=act.__qualname__)
