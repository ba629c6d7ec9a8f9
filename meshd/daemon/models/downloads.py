"""Downloads into the store, each artifact by one at a time: who comes second waits, and finds it there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from weakref import WeakValueDictionary

from model_registry.errors import RegistryError
from model_registry.pieces import PieceMap
from model_registry.store import Incoming, ModelStore


class Downloads:
    """Begins downloads for those who bring models and for those who restore them."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, artifact: str) -> asyncio.Lock:
        """Return what whoever downloads an artifact holds from its look into the store until the artifact is there."""
        return self._turns.setdefault(artifact, asyncio.Lock())

    async def begin(self, artifact: str, piece_map: PieceMap) -> Incoming:
        """Begin to download an artifact, or go on where that stopped; whoever is cancelled over it leaves no open file.

        Raises:
            StoreBusy, StoreFull, StoreReadOnly, StoreFailed
        """
        opening = asyncio.create_task(asyncio.to_thread(self._store.incoming, artifact, piece_map), name="download")
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            with suppress(RegistryError):
                (await opening).close()
            raise
