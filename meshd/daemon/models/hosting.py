"""What this node hosts: the best that its store holds of every model that it accepts, now and whenever that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from math import inf
from time import monotonic

from meshd import log
from meshd.config import Config
from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import HostedTier
from meshd.daemon.models.candidate import Candidate, candidates_of
from meshd.daemon.models.catalogue import Catalogue
from meshd.documents import Problem
from meshd.errors import ModelUnusable
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedKey, HostedModel
from model_registry.errors import RegistryError
from model_registry.manifest import Manifest
from model_registry.store import ModelStore

Offered = tuple[HostedTier, ...]

OPENING_S = 5.0
"""How long new models may keep a starting node from its requests; a trial takes half a second, a hostile one a minute.

Source: docs/decisions/0012-admission.md.
"""


class Hosting:
    """Decides, loads and lets go.

    ``on_changed`` hears what is offered from now on. ``settled`` waits for the end of every request that is alive when
    it is called: until then what is offered no longer can still be run.
    """

    def __init__(self, config: Config, catalogue: Catalogue, store: ModelStore, executor: Executor) -> None:
        self._config = config
        self._catalogue = catalogue
        self._store = store
        self._executor = executor
        self.on_changed: Callable[[Offered], None] = lambda _offered: None
        self.settled: Callable[[], Awaitable[None]] = _at_once
        self._refused: dict[ArtifactHash, Problem] = {}
        self._ready: dict[HostedKey, HostedModel] = {}
        self._leaving: dict[HostedKey, asyncio.Task[None]] = {}
        self._unmet: list[Problem] = []
        self._postponed: set[ArtifactHash] = set()
        self._trials_until_s = inf
        self._noted_s = 0.0
        self._changing = asyncio.Lock()

    @property
    def problems(self) -> list[Problem]:
        """Return what keeps models from being hosted, or hosted at their best."""
        named = {v.artifact for manifest in self._catalogue.manifests() for _, v in manifest.variants()}
        return [*(told for artifact, told in self._refused.items() if artifact in named), *self._unmet]

    def open(self) -> None:
        """Host what there is, before anybody asks; trials that take long are left to :meth:`catch_up`. Blocks."""
        self._trials_until_s = monotonic() + OPENING_S
        for hosted in self._choose():
            self._take_in(hosted)
        self._trials_until_s = inf

    async def catch_up(self) -> None:
        """Try what was left when this node started."""
        if self._postponed:
            await self.rehost()

    async def rehost(self, *, mended: Collection[str] = ()) -> None:
        """Host what the store holds by now; artifacts that were mended are given another chance.

        What can be run no longer is offered no longer, first of all. What takes its place is loaded in a thread, and
        offered in the same moment as what it replaces is withdrawn: until then a session in memory goes on answering.
        """
        async with self._changing:
            for artifact in mended:
                self._refused.pop(ArtifactHash(artifact), None)
            self._withdraw([hosted for hosted in self.offered() if self._is_lost(hosted) and hosted.session is None])
            chosen = await asyncio.to_thread(self._choose)
            for hosted in chosen:
                self._take_in(hosted)
            kept = {hosted.key for hosted in chosen}
            self._withdraw([hosted for hosted in self.offered() if hosted.key not in kept])
            self._ready.clear()
            self.tell()

    async def prepare(self, candidate: Candidate) -> None:
        """Try a variant whose artifact is in the store before its model is; the next change may then host it.

        Raises:
            ModelUnusable: it cannot be run here.
        """
        async with self._changing:
            self._refused.pop(candidate.artifact, None)
            self._ready[candidate.key] = await asyncio.to_thread(self._prepared, candidate)

    async def vacated(self) -> None:
        """Wait until nothing runs any more of what is offered no longer."""
        await asyncio.gather(*self._leaving.values())

    async def close(self) -> None:
        """Wait for nothing any more, and remember what was used."""
        await asyncio.to_thread(self.note_uses)
        for task in (leaving := list(self._leaving.values())):
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)

    def note_uses(self) -> None:
        """Have the store remember what was run since this was last asked, so that it does not go first. Blocks."""
        since_s, self._noted_s = self._noted_s, monotonic()
        for hosted in sorted(self._executor.hosted, key=lambda hosted: hosted.latest_use_s):
            if hosted.latest_use_s >= since_s:
                with suppress(RegistryError):  # It is gone, or the store may only be read.
                    self._store.used(hosted.artifact)

    def candidates(self, manifest: Manifest) -> Iterator[Candidate]:
        """Yield what this node should host of a model, best first, without what it cannot run."""
        return (candidate for candidate in self._made_for_here(manifest) if not self._obstacle(candidate))

    def obstacles(self, manifest: Manifest) -> tuple[str, ...]:
        """Return why this node cannot run what a model has for its class, variant by variant."""
        return tuple(why for candidate in self._made_for_here(manifest) if (why := self._obstacle(candidate)))

    def hosted_models(self) -> frozenset[ModelName]:
        """Return the models of which something is offered."""
        return frozenset(ModelName(hosted.manifest.name) for hosted in self.offered())

    def unserved(self) -> Iterator[Candidate]:
        """Yield what this node could run, best first, of the models of which it should and does run nothing."""
        hosted = self.hosted_models()
        for manifest in self._catalogue.manifests():
            if manifest.name not in hosted:
                yield from self.candidates(manifest)

    def refusal(self, artifact: ArtifactHash) -> Problem | None:
        """Return why an artifact that was tried is not hosted."""
        return self._refused.get(artifact)

    def tell(self) -> None:
        """Tell whoever listens what is offered now, stages and timings included."""
        offered = [t for t in self._executor.hosted_tiers() if (t.model, t.tier, t.artifact) not in self._leaving]
        self.on_changed(tuple(offered))

    def _made_for_here(self, manifest: Manifest) -> Iterator[Candidate]:
        for tier in self._tiers_wanted(manifest.name):
            yield from candidates_of(manifest, self._config.node.device_class, tier=tier)

    def _obstacle(self, candidate: Candidate) -> str:
        models = self._config.models
        return candidate.obstacle(memory_bytes=models.memory_budget_bytes, disk_bytes=models.disk_budget_bytes)

    def _choose(self) -> list[HostedModel]:
        """Return the best of every model, loaded and measured. Blocks."""
        self._unmet = list(self._unknown())
        self._postponed = set()
        chosen = []
        # A model that was tried before is hosted at once, however long a new one takes.
        for manifest in sorted(self._catalogue.manifests(), key=self._is_new):
            for tier in self._tiers_wanted(manifest.name):
                options = tuple(candidates_of(manifest, self._config.node.device_class, tier=tier))
                if best := self._best(options):
                    chosen.append(best)
                elif any(option.artifact in self._postponed for option in options):
                    self._unmet.append(_still_to_try(manifest))
                elif options and not any(option.artifact in self._refused for option in options):
                    self._unmet.append(_nothing_here(manifest))
        return chosen

    def _best(self, options: Iterable[Candidate]) -> HostedModel | None:
        """Return the first candidate that runs here; what is hosted or was tried already stays as it is."""
        for option in options:
            if not self._store.holds(option.artifact):
                continue
            if hosted := self._known(option):
                return hosted
            if option.artifact in self._refused:
                continue
            if monotonic() > self._trials_until_s and self._needs_trial(option):
                self._postponed.add(option.artifact)
                continue
            try:
                return self._prepared(option)
            except ModelUnusable:
                continue
        return None

    def _is_new(self, manifest: Manifest) -> bool:
        return all(self._needs_trial(option) for option in self.candidates(manifest))

    def _needs_trial(self, option: Candidate) -> bool:
        return self._executor.needs_trial(option.manifest, option.tier, option.variant)

    def _known(self, option: Candidate) -> HostedModel | None:
        found = (self._ready.pop(option.key, None), *self._executor.hosted)
        return next((h for h in found if h and h.key == option.key and h.manifest == option.manifest), None)

    def _prepared(self, option: Candidate) -> HostedModel:
        try:
            hosted = self._executor.prepare(option.manifest, option.tier, option.variant)
            self._executor.profile(hosted)
        except ModelUnusable as error:
            told = error.message if option.manifest.name in error.message else f"{option}: {error.message}"
            self._refused[option.artifact] = Problem(sentence=told, hint=error.hint)
            raise
        return hosted

    def _take_in(self, hosted: HostedModel) -> None:
        if task := self._leaving.pop(hosted.key, None):
            task.cancel()
        if hosted in self._executor.hosted:
            return
        self._executor.take_in(hosted)
        if self._config.models.warm != "all" and hosted.manifest.name not in self._config.models.warm:
            self._executor.cool(hosted.artifact)

    def _withdraw(self, going: Sequence[HostedModel]) -> None:
        """Offer these no longer, and let go of them once no request can need them any more."""
        for hosted in going:
            self._leaving[hosted.key] = asyncio.create_task(self._let_go(hosted))
            log.get_logger().info(log.MODEL_RETIRED, model=str(hosted))
        if going:
            self.tell()

    async def _let_go(self, hosted: HostedModel) -> None:
        await self.settled()
        del self._leaving[hosted.key]
        self._executor.let_go(hosted)

    def _is_lost(self, hosted: HostedModel) -> bool:
        known = self._catalogue.manifest(ModelName(hosted.manifest.name))
        return known is None or not self._store.holds(hosted.artifact)

    def offered(self) -> list[HostedModel]:
        """Return what peers are told."""
        return [hosted for hosted in self._executor.hosted if hosted.key not in self._leaving]

    def _tiers_wanted(self, model: str) -> Iterator[str]:
        """Yield the tiers of a model that the configuration wants, an empty one for that of this node's class."""
        wanted = self._config.models.host
        for name, _, tier in (word.partition(":") for word in wanted or (model,)):
            if name == model:
                yield tier

    def _unknown(self) -> Iterator[Problem]:
        """Yield a problem for every model or tier that the configuration wants and that is not there."""
        manifests = {manifest.name: manifest for manifest in self._catalogue.manifests()}
        there = ", ".join(f"{m.name}:{t.name}" for m in manifests.values() for t in m.tiers) or "none"
        for wanted in self._config.models.host:
            name, _, tier = wanted.partition(":")
            known = manifests.get(name)
            if known is None or (tier and known.tier(tier) is None):
                sentence = f"The configuration hosts '{wanted}', which is not there."
                yield Problem(sentence=sentence, hint=f"There are: {there}.")


def _nothing_here(manifest: Manifest) -> Problem:
    return Problem(
        sentence=f"Nothing of model '{manifest.name}' that this node could run is in its store.",
        hint=f"Get it from a peer, `meshd models fetch {manifest.name}`, or add its bundle again.",
    )


def _still_to_try(manifest: Manifest) -> Problem:
    return Problem(
        sentence=f"Model '{manifest.name}' is still to be tried on this node.",
        hint="It is hosted once it has shown what it takes.",
    )


async def _at_once() -> None:
    return
