"""How a model comes to this node: variant by variant, within the disk budget, tried before it takes a place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from time import monotonic

from msgspec import Struct

from meshd import log
from meshd.config import Config
from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass
from meshd.daemon.models.candidate import Candidate
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.downloads import Downloads
from meshd.daemon.models.fetcher import Fetcher, Sources
from meshd.daemon.models.hosting import Hosting
from meshd.daemon.models.preferences import Preferences
from meshd.documents import Arrival, Taken
from meshd.errors import ModelRefused, ModelUnusable, NoRoom
from model_registry.errors import RegistryError, StoreFull
from model_registry.manifest import Manifest
from model_registry.pieces import PieceMap
from model_registry.store import Incoming, ModelStore

Check = Callable[[Manifest], None]


class Wish(Struct, frozen=True, kw_only=True):
    """A model that somebody wants here, accepted already."""

    manifest: Manifest
    text: str
    check: Check
    """What accepted it, asked again when its turn has come and when it is here: much may have changed by then."""
    sources: Sources
    wants_all: bool = False
    """Bring what other classes of devices run too, so that this node can pass it on."""
    may_displace: bool = False
    """A person asked: what is hosted now may be evicted for it."""
    takes_any_map: bool = False
    """The source's own word on the pieces is enough to carry them: the whole is hashed all the same."""


class Moved(Struct, kw_only=True):
    """What one wish has cost the links so far."""

    n_bytes: int = 0
    seconds: float = 0.0


class Acquisition:
    """Fetches what a wish needs. What is interrupted stays, and goes on where it stopped."""

    def __init__(
        self,
        config: Config,
        *,
        store: ModelStore,
        catalogue: Catalogue,
        hosting: Hosting,
        fetcher: Fetcher,
        downloads: Downloads,
        preferences: Preferences,
    ) -> None:
        self._budget_bytes = config.models.disk_budget_bytes
        self._store = store
        self._catalogue = catalogue
        self._hosting = hosting
        self._fetcher = fetcher
        self._downloads = downloads
        self._preferences = preferences
        self.on_kept: Callable[[], None] = lambda: None
        """Hears that an artifact has come that others may want."""
        self._making_room = asyncio.Lock()
        self._turns: dict[ModelName, asyncio.Lock] = {}
        self._arriving: dict[ArtifactHash, Arrival] = {}

    def arriving(self) -> tuple[Arrival, ...]:
        """Return what is on its way here."""
        return tuple(self._arriving.values())

    def turn(self, model: ModelName) -> asyncio.Lock:
        """Return what whoever brings or removes a model holds meanwhile."""
        return self._turns.setdefault(model, asyncio.Lock())

    async def carry_out(self, wish: Wish) -> Taken:
        """Fetch, try, and host the best of a model that runs here; what was here before stays until then.

        Raises:
            ModelRefused: nothing of it runs here, or the store cannot take it.
            NoRoom: the disk budget has no room for it beside what may not go.
            NobodyHasIt: the sources do not have all of it, or are gone.
        """
        name, moved = ModelName(wish.manifest.name), Moved()
        async with self.turn(name):
            try:
                await asyncio.to_thread(wish.check, wish.manifest)
                best = await self._best(wish, moved)
                await asyncio.to_thread(wish.check, wish.manifest)
                await asyncio.to_thread(self._store.add_manifest, wish.text)
                self._catalogue.learn(wish.manifest)
                await self._hosting.rehost()
                left_out = await self._fetch_rest(wish, moved) if wish.wants_all else ()
            except RegistryError as error:
                raise ModelRefused(error.message, hint=error.hint) from error
        log.get_logger().info(log.MODEL_FETCHED, model=wish.manifest.name, version=wish.manifest.version)
        return self._taken(wish.manifest, best, left_out, moved)

    async def _best(self, wish: Wish, moved: Moved) -> Candidate | None:
        """Return the first candidate that is here and runs; none when the model has none for this node, nor had one."""
        refused: ModelUnusable | None = None
        for candidate in self._hosting.candidates(wish.manifest):
            await self._fetch(candidate, wish, moved)
            try:
                await self._hosting.prepare(candidate)
            except ModelUnusable as error:
                refused = error
            else:
                return candidate
        if refused is not None:
            raise ModelRefused(refused.message, hint=refused.hint)
        if wish.manifest.name in self._hosting.hosted_models() and not wish.may_displace:
            what = f"version {wish.manifest.version} of '{wish.manifest.name}' has nothing that this node could run"
            hint = f"To have it all the same, and the present one no longer: meshd models fetch {wish.manifest.name}"
            raise ModelRefused(f"{what}; the one that is here stays.", hint=hint)
        return None

    async def _fetch_rest(self, wish: Wish, moved: Moved) -> tuple[str, ...]:
        """Fetch what others may want to have from here, as far as there is room; return what was left out."""
        left_out = []
        for tier, variant in wish.manifest.variants():
            candidate = Candidate(manifest=wish.manifest, tier=tier, variant=variant)
            try:
                await self._fetch(candidate, wish, moved)
            except NoRoom:
                left_out.append(_called(candidate))
        return tuple(left_out)

    async def _fetch(self, candidate: Candidate, wish: Wish, moved: Moved) -> None:
        """Have an artifact in the store, whole and verified."""
        async with self._downloads.turn(candidate.artifact):
            if not await asyncio.to_thread(self._store.holds, candidate.artifact):
                await self._download(candidate, wish, moved)

    async def _download(self, candidate: Candidate, wish: Wish, moved: Moved) -> None:
        if candidate.variant.pieces is None and not wish.takes_any_map:
            hint = "Its publisher imports it again with a recent meshd; or add the bundle here by hand."
            raise ModelRefused(f"{candidate} names no pieces, so that what comes cannot be verified.", hint=hint)
        piece_map = await self._fetcher.fetch_map(candidate.variant, wish.sources)
        incoming, has_evicted = await self._reserved(candidate, piece_map, wish)
        with closing(incoming):
            try:
                if has_evicted:
                    await self._hosting.rehost()
                await self._fill(candidate, piece_map, incoming, wish.sources, moved)
            finally:
                self._arriving.pop(candidate.artifact, None)

    async def _fill(
        self, candidate: Candidate, piece_map: PieceMap, incoming: Incoming, sources: Sources, moved: Moved
    ) -> None:
        missing, started_s = incoming.missing(), monotonic()
        self._note(candidate, piece_map, missing, ())

        async def keep(pieces: dict[int, bytes], giver: str) -> None:
            await asyncio.to_thread(_put, incoming, pieces)
            self._note(candidate, piece_map, incoming.missing(), (giver,))

        await self._fetcher.fetch_into(keep, candidate.artifact, piece_map, missing, sources)
        await asyncio.to_thread(incoming.finish)
        moved.n_bytes += _bytes_of(piece_map, missing)
        moved.seconds += monotonic() - started_s
        self.on_kept()

    async def _reserved(self, candidate: Candidate, piece_map: PieceMap, wish: Wish) -> tuple[Incoming, bool]:
        """Take the room for an artifact, before its first byte comes; tell whether others had to go for it.

        Raises:
            NoRoom: there is none.
        """
        kept = self._preferences.pinned | {ModelName(wish.manifest.name)}
        if not wish.may_displace:
            kept |= self._hosting.hosted_models()
        async with self._making_room:
            try:
                evicted = await asyncio.to_thread(self._make_room, candidate, kept)
                incoming = await self._downloads.begin(candidate.artifact, piece_map)
            except StoreFull as error:
                raise NoRoom(
                    f"{candidate} does not fit into the disk budget: {error.message}", hint=error.hint
                ) from error
        if evicted:
            log.get_logger().info(log.MODEL_EVICTED, artifacts=evicted, for_model=str(candidate))
        return incoming, bool(evicted)

    def _make_room(self, candidate: Candidate, kept: Collection[str]) -> tuple[str, ...]:
        self._hosting.note_uses()
        needed_bytes = 0 if candidate.artifact in self._store.begun() else candidate.variant.size_bytes
        try:
            return self._store.make_room(needed_bytes, self._budget_bytes, kept)
        except StoreFull:
            if not self._abandon_others(candidate.artifact):
                raise
            return self._store.make_room(needed_bytes, self._budget_bytes, kept)

    def _abandon_others(self, artifact: ArtifactHash) -> bool:
        """Drop downloads that were interrupted and that nobody goes on with; tell whether there were any."""
        begun = [download for download in self._store.begun() if download != artifact]
        return bool([download for download in begun if self._store.abandon(download)])

    def _note(self, candidate: Candidate, piece_map: PieceMap, missing: Collection[int], givers: Iterable[str]) -> None:
        """Show how far an artifact has come, and who has given some of it."""
        known = self._arriving.get(candidate.artifact)
        sources = dict.fromkeys((*(known.sources if known else ()), *givers))
        self._arriving[candidate.artifact] = Arrival(
            model=ModelName(candidate.manifest.name),
            version=candidate.manifest.version,
            tier=DeviceClass(candidate.tier.name),
            variant=candidate.variant.name,
            artifact=candidate.artifact,
            come_bytes=piece_map.size_bytes - _bytes_of(piece_map, missing),
            size_bytes=piece_map.size_bytes,
            sources=tuple(sources),
        )

    def _taken(self, manifest: Manifest, best: Candidate | None, left_out: tuple[str, ...], moved: Moved) -> Taken:
        every = (Candidate(manifest=manifest, tier=tier, variant=variant) for tier, variant in manifest.variants())
        return Taken(
            model=ModelName(manifest.name),
            version=manifest.version,
            hosted=_called(best) if best else None,
            obstacles=() if best else self._hosting.obstacles(manifest),
            kept=tuple(_called(candidate) for candidate in every if self._store.holds(candidate.artifact)),
            left_out=left_out,
            moved_bytes=moved.n_bytes,
            moved_s=moved.seconds,
        )


def _bytes_of(piece_map: PieceMap, indices: Iterable[int]) -> int:
    return sum(piece_map.extent(index)[1] for index in indices)


def _put(incoming: Incoming, pieces: dict[int, bytes]) -> None:
    for index, content in pieces.items():
        incoming.put(index, content)


def _called(candidate: Candidate) -> str:
    return f"{candidate.tier.name}/{candidate.variant.name}"
