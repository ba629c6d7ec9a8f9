"""Gives peers what they ask for of the models that this node lends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256

from msgspec import Struct
from typing_extensions import Buffer

from meshd.daemon.intake import refusal_of
from meshd.daemon.models.acceptance import is_bundled
from meshd.daemon.models.catalogue import Catalogue
from meshd.errors import NotLent, Overloaded
from meshd.wire.messages import MAX_ARTIFACTS, MAX_OFFERS, Fetch, Fetched, Inventory, Message, Offer
from model_registry import manifest as manifests
from model_registry.errors import RegistryError, StoreReadOnly
from model_registry.manifest import Manifest
from model_registry.store import ModelStore

MOST_PER_BORROWER = 4
"""Twice what a fetcher of ours has out at a time. Whoever asks for more is told to come back."""
MOST_AT_ONCE = 8
"""Over all borrowers: each is a read and a hash in a thread, and this device has other work."""
MOST_BYTES = 256 * 2**10
"""Sent for one Fetch, unless one piece alone is longer: a run of pieces is answered with its first ones."""


MOST_UNREAD_BYTES = 2**20
"""A borrower that asks and does not read is lent nothing more, long before its session is given up."""


class Borrower(Struct, frozen=True):
    """A peer that asks: whatever tells it apart, how to answer it, and how much it has not read yet."""

    key: str
    send: Callable[[Message, Sequence[Buffer]], bool]
    unread_bytes: Callable[[], int]


class Shelf(Struct, frozen=True, kw_only=True):
    """All that is lent, as of one moment."""

    inventory: Inventory = Inventory()
    manifests: Mapping[str, bytes] = {}
    """Texts by their SHA-256."""
    artifacts: frozenset[str] = frozenset()


class Lender:
    """Serves Fetch: signed models in full, and pieces of those that ship with meshd, for others to mend theirs."""

    def __init__(self, store: ModelStore, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue
        self._shelf = Shelf()
        self._serving: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def inventory(self) -> Inventory:
        """Return what peers are told."""
        return self._shelf.inventory

    def restock(self) -> bool:
        """Look at what there is to lend by now; tell whether that changed. Blocks."""
        before, self._shelf = self._shelf, self._look()
        return before.inventory != self._shelf.inventory

    def serve(self, borrower: Borrower, fetch: Fetch) -> None:
        """Answer a Fetch, soon; whatever is wrong with it is told to the borrower."""
        if self._is_too_much(borrower):
            error = Overloaded("this node lends to others right now.", hint="Ask again in a moment.")
            borrower.send(refusal_of(fetch.request_id, error), ())
            return
        self._serving[borrower.key] += 1
        task = asyncio.create_task(self._answer(borrower, fetch), name="lender")
        self._tasks.add(task)
        task.add_done_callback(partial(self._served, borrower.key))

    async def close(self) -> None:
        """Answer nothing more."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_too_much(self, borrower: Borrower) -> bool:
        return (
            self._serving[borrower.key] >= MOST_PER_BORROWER
            or self._serving.total() >= MOST_AT_ONCE
            or borrower.unread_bytes() > MOST_UNREAD_BYTES
        )

    def _served(self, key: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._serving -= Counter({key: 1})

    async def _answer(self, borrower: Borrower, fetch: Fetch) -> None:
        try:
            content = await asyncio.to_thread(self._content, fetch)
        except NotLent as error:
            borrower.send(refusal_of(fetch.request_id, error), ())
        except (RegistryError, OSError) as error:
            borrower.send(refusal_of(fetch.request_id, NotLent(str(error))), ())
        else:
            borrower.send(Fetched(request_id=fetch.request_id), (content,))

    def _content(self, fetch: Fetch) -> bytes:
        shelf = self._shelf
        if fetch.subject == "manifest" and fetch.sha256 in shelf.manifests:
            return shelf.manifests[fetch.sha256]
        if fetch.subject == "manifest" or fetch.sha256 not in shelf.artifacts:
            raise NotLent(f"this node lends no {fetch.subject.replace('_', ' ')} of {fetch.sha256}.")
        piece_map = self._store.piece_map(fetch.sha256)
        if fetch.subject == "piece_map":
            with suppress(StoreReadOnly):
                self._store.used(fetch.sha256)
            return piece_map.encoded
        if fetch.first + fetch.count > piece_map.count:
            raise NotLent(f"artifact {fetch.sha256} has {piece_map.count} pieces.")
        _, length = piece_map.extent(0)
        return self._store.read_pieces(fetch.sha256, fetch.first, min(fetch.count, max(1, MOST_BYTES // length)))

    def _look(self) -> Shelf:
        held = self._store.artifacts()
        lent = [manifest for manifest in self._catalogue.manifests() if manifest.signature][:MAX_OFFERS]
        texts = {manifest.name: manifests.dumps(manifest).encode() for manifest in lent}
        offers = tuple(_offer(manifest, texts[manifest.name]) for manifest in lent)
        shipped = [m for m in self._catalogue.manifests() if is_bundled(m)]
        artifacts = {v.artifact for m in (*lent, *shipped) for _, v in m.variants() if v.artifact in held}
        return Shelf(
            inventory=Inventory(offers=offers, artifacts=tuple(sorted(artifacts))[:MAX_ARTIFACTS]),
            manifests={offer.manifest: texts[offer.model] for offer in offers},
            artifacts=frozenset(artifacts),
        )


def _offer(manifest: Manifest, text: bytes) -> Offer:
    assert manifest.signature is not None, "only signed models are offered"
    return Offer(
        model=manifest.name,
        version=manifest.version,
        publisher=manifest.signature.publisher,
        manifest=sha256(text).hexdigest(),
    )
