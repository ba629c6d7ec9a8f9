"""Fetches artifacts from those that have them, several at once, verified piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from meshd.daemon.models.gathering import Gathering, Keep
from meshd.daemon.models.source import Source, Subject
from meshd.errors import MeshError, NobodyHasIt
from model_registry.pieces import PieceMap
from model_registry.tier import Variant

MOST_MANIFEST_BYTES = 2**20
"""A hundred times the largest that ships."""

Sources = Callable[[], Iterable[Source]]


class Fetcher:
    """Asks every source that says it has an artifact for another part of it, until all of it has come.

    A source that stalls, vanishes or lies costs the time until that shows; its part is asked of the others.
    """

    def __init__(self, peers: Sources) -> None:
        self._peers = peers

    async def fetch_manifest(self, sha256: str) -> bytes:
        """Return a manifest's text, which has this hash.

        Raises:
            NobodyHasIt: no peer does.
        """
        return await _first_good(self._holders(sha256, self._peers), "manifest", sha256, _manifest_flaw(sha256))

    async def fetch_map(self, variant: Variant, sources: Sources | None = None) -> PieceMap:
        """Return the map of an artifact's pieces, held against its root; without a root it has only the right size.

        Raises:
            NobodyHasIt: no source has it.
        """
        holders = self._holders(variant.artifact, sources or self._peers)
        encoded = await _first_good(holders, "piece_map", variant.artifact, _map_flaw(variant))
        return PieceMap.decoded(encoded)

    async def fetch_pieces(
        self, sha256: str, piece_map: PieceMap, indices: Iterable[int], sources: Sources | None = None
    ) -> dict[int, bytes]:
        """Return pieces of an artifact, each verified; they are held in memory together.

        Raises:
            NobodyHasIt: some of them could be had from nobody.
        """
        pieces: dict[int, bytes] = {}

        async def keep(come: dict[int, bytes], _giver: str) -> None:
            pieces.update(come)

        await self.fetch_into(keep, sha256, piece_map, indices, sources)
        return pieces

    async def fetch_into(
        self, keep: Keep, sha256: str, piece_map: PieceMap, indices: Iterable[int], sources: Sources | None = None
    ) -> None:
        """Hand pieces to ``keep`` as they come, in any order.

        Raises:
            NobodyHasIt: some of them could be had from nobody; those that came are kept.
        """
        gathering = Gathering(sha256, piece_map, indices, keep)
        await gathering.run(lambda: self._holders(sha256, sources or self._peers))
        if gathering.todo:
            lacking = f"{len(gathering.todo)} of {piece_map.count} pieces of artifact {sha256[:12]}"
            raise NobodyHasIt(
                f"{lacking} can be had from nobody now.",
                hint="What has come is kept; the rest is fetched when a node is there that has it.",
            )

    def is_lent(self, sha256: str) -> bool:
        """Tell whether a peer in session says that it has an artifact."""
        return bool(self._holders(sha256, self._peers))

    def _holders(self, sha256: str, sources: Sources) -> list[Source]:
        return [source for source in sources() if source.is_willing and source.holds(sha256)]


async def _first_good(holders: Iterable[Source], subject: Subject, sha256: str, flaw: Callable[[bytes], str]) -> bytes:
    """Return what the first holder gives that is what it should be."""
    for source in holders:
        try:
            content = bytes(await source.ask(subject, sha256))
        except MeshError:
            continue
        if problem := flaw(content):
            source.lied(f"its {subject.replace('_', ' ')} of {sha256[:12]}: {problem}")
        else:
            return content
    raise NobodyHasIt(f"The {subject.replace('_', ' ')} of {sha256[:12]} can be had from nobody.")


def _manifest_flaw(expected: str) -> Callable[[bytes], str]:
    def flaw(text: bytes) -> str:
        if len(text) > MOST_MANIFEST_BYTES:
            return f"it has {len(text):,} bytes"
        return "" if hashlib.sha256(text).hexdigest() == expected else "its hash is another"

    return flaw


def _map_flaw(variant: Variant) -> Callable[[bytes], str]:
    def flaw(encoded: bytes) -> str:
        try:
            piece_map = PieceMap.decoded(encoded)
        except ValueError as error:
            return str(error)
        if piece_map.size_bytes != variant.size_bytes:
            return f"it is for {piece_map.size_bytes} bytes, and the artifact has {variant.size_bytes}"
        return "" if variant.pieces in (None, piece_map.root) else "its root is another"

    return flaw
