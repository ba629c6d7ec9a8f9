"""Takes in models that clients bring, over the session that they bring them by."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import msgspec
from msgspec import Struct

from meshd import log
from meshd.core.ids import ModelName
from meshd.daemon.intake import refusal_of
from meshd.daemon.models.acquisition import Acquisition, Wish
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.fetcher import MOST_MANIFEST_BYTES
from meshd.daemon.models.orders import Orders
from meshd.daemon.models.preferences import Preferences
from meshd.daemon.models.source import Source
from meshd.documents import Taken
from meshd.errors import InvalidInput, MeshError, ModelRefused, Overloaded
from meshd.net.session import Session
from meshd.wire.messages import Document, Fetched, Install, Inventory, Order, Refusal
from model_registry import manifest as manifests
from model_registry.errors import RegistryError
from model_registry.manifest import Manifest

MOST_AT_ONCE = 4
"""Clients' installs and orders together; each may load a model."""


class Installer:
    """Serves Install and Order. A client that goes away ends what needs its pieces; what has come is kept."""

    def __init__(
        self, *, catalogue: Catalogue, acquisition: Acquisition, orders: Orders, preferences: Preferences
    ) -> None:
        self._catalogue = catalogue
        self._acquisition = acquisition
        self._orders = orders
        self._preferences = preferences
        self._bringing: dict[Session, list[Source]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def client_message(
        self, session: Session, message: Install | Order | Fetched | Refusal, payload: memoryview
    ) -> None:
        """Take in a message about models."""
        match message:
            case Install():
                self._serve(session, message.request_id, self._install(session, bytes(payload)))
            case Order():
                self._serve(session, message.request_id, self._orders.carry_out(message))
            case Fetched() | Refusal():
                for source in self._bringing.get(session, ()):
                    source.answered(message, payload)

    def client_gone(self, session: Session) -> None:
        """Wait for nothing more from a client."""
        for source in self._bringing.pop(session, ()):
            source.lost()

    async def close(self) -> None:
        """Finish nothing more."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _serve(self, session: Session, request_id: str, work: Coroutine[None, None, Struct]) -> None:
        if len(self._tasks) >= MOST_AT_ONCE:
            work.close()
            session.send(refusal_of(request_id, Overloaded("other models are being taken in right now.")))
            return
        task = asyncio.create_task(_answer(session, request_id, work), name="installer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _install(self, session: Session, text: bytes) -> Taken:
        manifest = await asyncio.to_thread(self._accepted, text)
        source = Source(session.remote.name if session.remote else "a client", session.send)
        source.inventory = Inventory(artifacts=tuple(variant.artifact for _, variant in manifest.variants()))
        self._bringing.setdefault(session, []).append(source)
        wish = Wish(
            manifest=manifest,
            text=text.decode(),
            check=self._catalogue.acceptance.check_new,
            sources=lambda: (source,),
            wants_all=True,
            may_displace=True,
            takes_any_map=True,
        )
        try:
            taken = await self._acquisition.carry_out(wish)
        finally:
            self._bringing[session] = [other for other in self._bringing.get(session, ()) if other is not source]
            if not self._bringing[session]:  # Its client may have gone before it came in here.
                del self._bringing[session]
        await asyncio.to_thread(self._preferences.want, ModelName(manifest.name))
        return taken

    def _accepted(self, text: bytes) -> Manifest:
        if len(text) > MOST_MANIFEST_BYTES:
            raise InvalidInput(f"a manifest of {len(text):,} bytes; {MOST_MANIFEST_BYTES:,} may come.")
        try:
            manifest = manifests.loads(text.decode(), "the manifest")
            self._catalogue.acceptance.check_new(manifest)
        except UnicodeDecodeError as error:
            raise InvalidInput("the manifest is not UTF-8 text.", hint="TOML must be.") from error
        except RegistryError as error:
            raise ModelRefused(error.message, hint=error.hint) from error
        return manifest


async def _answer(session: Session, request_id: str, work: Coroutine[None, None, Struct]) -> None:
    try:
        document = await work
    except MeshError as error:
        session.send(refusal_of(request_id, error))
    except Exception as error:  # noqa: BLE001 - the task boundary: a defect costs one order, and its client hears of it
        log.get_logger().exception(log.TASK_FAILED, task="installer")
        session.send(refusal_of(request_id, ModelRefused(f"the daemon failed over it: {error!r}.")))
    else:
        session.send(Document(request_id=request_id), (msgspec.json.encode(document),))
