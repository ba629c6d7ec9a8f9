"""What clients may have done about models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from msgspec import Struct

from meshd import log
from meshd.core.ids import ModelName
from meshd.daemon.models.acquirer import Acquirer
from meshd.daemon.models.acquisition import Acquisition
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.hosting import Hosting
from meshd.daemon.models.preferences import Preferences
from meshd.documents import Done
from meshd.errors import InvalidInput, ModelRefused, UnknownModel, UnknownQuery
from meshd.wire.messages import Order
from model_registry.errors import ModelUnknown, RegistryError
from model_registry.store import ModelStore

Act = Callable[[ModelName], Awaitable[Struct]]


class Orders:
    """Carries orders out. ``acts`` may be added to: the name of an action, and what returns its document."""

    def __init__(
        self,
        *,
        store: ModelStore,
        catalogue: Catalogue,
        hosting: Hosting,
        acquisition: Acquisition,
        acquirer: Acquirer,
        preferences: Preferences,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._hosting = hosting
        self._acquisition = acquisition
        self._preferences = preferences
        self.acts: dict[str, Act] = {
            "fetch": acquirer.fetch,
            "remove": self._remove,
            "pin": self._pin,
            "unpin": self._unpin,
        }

    async def carry_out(self, order: Order) -> Struct:
        """Do what is ordered and return the document that tells of it.

        Raises:
            UnknownQuery: there is no such action.
            RequestError: it could not be done.
        """
        act = self.acts.get(order.action)
        if act is None:
            raise UnknownQuery(
                f"nobody can {order.action!r} a model.", hint=f"There are {', '.join(sorted(self.acts))}."
            )
        return await act(ModelName(order.model))

    async def _remove(self, model: ModelName) -> Done:
        """Offer a model no longer, let what is alive finish with it, then remove its files."""
        await asyncio.to_thread(self._check_known, model)
        with suppress(OSError):  # On a full disk it is written below, in the room that the model has left.
            await asyncio.to_thread(self._preferences.remove, model)
        async with self._acquisition.turn(model):
            self._catalogue.forget(model)
            await self._hosting.rehost()
            await self._hosting.vacated()
            try:
                await asyncio.to_thread(self._store.remove, model)
            except RegistryError as error:
                raise ModelRefused(error.message, hint=error.hint) from error
            await asyncio.to_thread(self._preferences.remove, model)
        log.get_logger().info(log.MODEL_REMOVED, model=model)
        return Done(sentence=f"Removed {model}. It is not fetched from peers until `meshd models fetch {model}`.")

    async def _pin(self, model: ModelName) -> Done:
        await asyncio.to_thread(self._check_known, model)
        await asyncio.to_thread(self._preferences.pin, model)
        return Done(sentence=f"{model} stays when room is made.")

    async def _unpin(self, model: ModelName) -> Done:
        await asyncio.to_thread(self._preferences.unpin, model)
        if model in self._preferences.pinned:
            raise InvalidInput(f"{model} is pinned by the configuration.", hint="Take it out of models.pinned.")
        return Done(sentence=f"{model} may go when room is made.")

    def _check_known(self, model: ModelName) -> None:
        try:
            self._store.open(model)
        except ModelUnknown as error:
            raise UnknownModel(error.message, hint=error.hint) from error
        except RegistryError:
            return  # What is damaged can be removed all the same.
