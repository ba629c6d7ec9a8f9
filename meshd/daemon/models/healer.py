"""What is done about a damaged artifact: mended from peers, or kept from use and replaced by the next smaller one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from meshd import log
from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass
from meshd.daemon.models.candidate import Candidate
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.downloads import Downloads
from meshd.daemon.models.fetcher import Fetcher
from meshd.daemon.models.hosting import Hosting
from meshd.daemon.models.scrubber import Examined
from meshd.documents import Finding, Problem, Remedy
from meshd.errors import NobodyHasIt
from model_registry.errors import ArtifactCorrupt, RegistryError
from model_registry.store import Incoming, ModelStore

WRONG_ANSWERS = "it answers otherwise than when it was admitted, though its file is undamaged."
_WHEN_WRONG = "Test this device's memory; then `meshd models remove` it and add it again, or add a newer version."
_WHEN_DAMAGED = (
    "`meshd models verify` restores it once a node that has it is in reach; or add its bundle again. "
    "Look at this device's disk if that repeats."
)


class Healer:
    """Mends from peers what may be mended, and sees to it that nobody runs the rest.

    ``on_finding`` hears of everything that was done. A session in memory goes on answering while its file is mended.
    """

    def __init__(
        self, *, store: ModelStore, catalogue: Catalogue, hosting: Hosting, fetcher: Fetcher, downloads: Downloads
    ) -> None:
        self.on_finding: Callable[[Finding], None] = lambda _finding: None
        self._store = store
        self._catalogue = catalogue
        self._hosting = hosting
        self._fetcher = fetcher
        self._downloads = downloads

    @property
    def problems(self) -> list[Problem]:
        """Return what must not be run here."""
        return list(self.quarantined().values())

    def quarantined(self) -> dict[ArtifactHash, Problem]:
        """Return the artifacts of models at hand that must not be run here, with what to tell of each."""
        named = ((ArtifactHash(name), reason) for name, reason in self._store.quarantined().items())
        found = ((self._candidate(artifact), reason) for artifact, reason in named)
        return {candidate.artifact: self._problem(candidate, reason) for candidate, reason in found if candidate}

    def restorable(self) -> list[ArtifactHash]:
        """Return what is quarantined for damage and to be had from a peer by now."""
        damaged = (name for name, reason in self._store.quarantined().items() if reason != WRONG_ANSWERS)
        return [ArtifactHash(name) for name in damaged if self._fetcher.is_lent(name)]

    async def heal(self, examined: Examined) -> Finding | None:
        """Do what can be done about an artifact; return nothing when there is nothing to do.

        Raises:
            RegistryError: the disk does not even let the artifact be quarantined.
        """
        candidate = self._candidate(examined.artifact)
        if candidate is None:
            return None  # No model that this node accepts names it: nobody will run it.
        reason = (await asyncio.to_thread(self._store.quarantined)).get(examined.artifact)
        if reason:
            return await self._reconsider(candidate, examined, reason)
        if examined.is_sound:
            return None
        return await self._mend(candidate, examined)

    async def quarantine(self, artifact: ArtifactHash, reason: str) -> Finding | None:
        """Let an artifact be run no more, and host the next best in its place.

        Raises:
            RegistryError: the disk refuses even that.
        """
        candidate = self._candidate(artifact)
        return await self._set_aside(candidate, reason) if candidate else None

    async def reloaded(self, artifact: ArtifactHash) -> None:
        """Tell of a model that answered wrongly, and rightly once it was loaded again: memory is not to be trusted."""
        if candidate := self._candidate(artifact):
            self._done("reloaded", candidate, reason="it answered wrongly, and loading it again put that right.")

    async def _mend(self, candidate: Candidate, examined: Examined) -> Finding:
        """Replace damaged pieces by those of peers, if they are few and some peer has them."""
        extent = f"{len(examined.damaged)} of its {examined.pieces} pieces are damaged"
        if not examined.pieces:
            return await self._set_aside(candidate, "it is damaged, and so is the map of its pieces.", examined)
        if not examined.is_mendable:
            return await self._set_aside(candidate, f"{extent}, too many to trust the disk below it.", examined)
        try:
            piece_map = await asyncio.to_thread(self._store.piece_map, candidate.artifact)
            pieces = await self._fetcher.fetch_pieces(candidate.artifact, piece_map, examined.damaged)
            await asyncio.to_thread(self._store.repair, candidate.artifact, pieces)
        except NobodyHasIt:
            return await self._set_aside(candidate, f"{extent}, and no node in reach has them.", examined)
        except RegistryError as error:
            return await self._set_aside(candidate, f"{extent} and cannot be mended: {error}", examined)
        await self._hosting.rehost(mended=(candidate.artifact,))
        return self._done("mended", candidate, examined)

    async def _set_aside(self, candidate: Candidate, reason: str, examined: Examined | None = None) -> Finding:
        await asyncio.to_thread(self._store.quarantine, candidate.artifact, reason)
        await self._hosting.rehost()
        return self._done("quarantined", candidate, examined, reason=reason)

    async def _reconsider(self, candidate: Candidate, examined: Examined, reason: str) -> Finding:
        """Restore what is quarantined, if that has become possible."""
        if examined.is_sound and reason == WRONG_ANSWERS:
            return self._finding("quarantined", candidate, examined, reason)
        try:
            outcome = await (self._release(candidate) if examined.is_sound else self._restore(candidate))
        except (NobodyHasIt, RegistryError):  # As before: it was told when it was quarantined.
            return self._finding("quarantined", candidate, examined, reason)
        await self._hosting.rehost(mended=(candidate.artifact,))
        return self._done(outcome, candidate, examined)

    async def _release(self, candidate: Candidate) -> Remedy:
        """Use again what turns out undamaged: somebody has put it right, or the disk could not read it for a while."""
        await asyncio.to_thread(self._store.release, candidate.artifact)
        return "released"

    async def _restore(self, candidate: Candidate) -> Remedy:
        """Put a new copy together from peers, unless somebody else has just brought one.

        Raises:
            NobodyHasIt, RegistryError
        """
        async with self._downloads.turn(candidate.artifact):
            if not await asyncio.to_thread(self._store.holds, candidate.artifact):
                await self._download(candidate)
        return "restored"

    async def _download(self, candidate: Candidate) -> None:
        """Fetch what of an artifact is damaged here; its undamaged pieces are taken over."""
        try:
            piece_map = await asyncio.to_thread(self._store.piece_map, candidate.artifact)
        except ArtifactCorrupt:
            piece_map = await self._fetcher.fetch_map(candidate.variant)
        with await self._downloads.begin(candidate.artifact, piece_map) as incoming:
            await self._fetcher.fetch_into(_into(incoming), candidate.artifact, piece_map, incoming.missing())
            await asyncio.to_thread(incoming.finish)

    def _done(
        self, outcome: Remedy, candidate: Candidate, examined: Examined | None = None, *, reason: str = ""
    ) -> Finding:
        """Tell everybody what was done."""
        finding = self._finding(outcome, candidate, examined, reason)
        write = log.get_logger().error if outcome == "quarantined" else log.get_logger().warning
        write(log.MODEL_DAMAGED, model=str(candidate), outcome=outcome, reason=reason, serving=finding.serving)
        self.on_finding(finding)
        return finding

    def _finding(self, outcome: Remedy, candidate: Candidate, examined: Examined | None, reason: str) -> Finding:
        return Finding(
            model=ModelName(candidate.manifest.name),
            version=candidate.manifest.version,
            tier=DeviceClass(candidate.tier.name),
            variant=candidate.variant.name,
            artifact=candidate.artifact,
            outcome=outcome,
            reason=reason,
            damaged_pieces=len(examined.damaged) if examined else 0,
            pieces=examined.pieces if examined else 0,
            serving=self._serving(candidate),
        )

    def _serving(self, candidate: Candidate) -> tuple[str, ...]:
        """Return what this node offers of the same model, as ``tier/variant``."""
        offered = (h for h in self._hosting.offered() if h.manifest.name == candidate.manifest.name)
        return tuple(f"{hosted.tier.name}/{hosted.variant.name}" for hosted in offered)

    def _candidate(self, artifact: ArtifactHash) -> Candidate | None:
        """Return what an artifact is to this node, by the first manifest that names it."""
        for manifest in self._catalogue.manifests():
            for tier, variant in manifest.variants():
                if variant.artifact == artifact:
                    return Candidate(manifest=manifest, tier=tier, variant=variant)
        return None

    def _problem(self, candidate: Candidate, reason: str) -> Problem:
        serving = ", ".join(self._serving(candidate)) or "nothing"
        todo = _WHEN_WRONG if reason == WRONG_ANSWERS else _WHEN_DAMAGED
        hint = f"Here {serving} serves in its place. {todo}"
        return Problem(sentence=f"Model {candidate} is in quarantine: {reason}", hint=hint)


def _into(incoming: Incoming) -> Callable[[dict[int, bytes], str], Awaitable[None]]:
    def write(pieces: dict[int, bytes]) -> None:
        for index, content in pieces.items():
            incoming.put(index, content)

    async def keep(pieces: dict[int, bytes], _giver: str) -> None:
        await asyncio.to_thread(write, pieces)

    return keep
