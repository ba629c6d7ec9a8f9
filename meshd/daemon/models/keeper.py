"""Everything that this node does with models, around one store."""

from __future__ import annotations

from meshd.config import Config
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.hosting import Hosting
from meshd.documents import Problem
from meshd.executor.executor import Executor
from model_registry.store import ModelStore


class Keeper:
    """Knows, hosts, lends, fetches, takes in and removes models."""

    def __init__(self, config: Config, store: ModelStore, executor: Executor) -> None:
        self.catalogue = Catalogue(config, store)
        self.hosting = Hosting(config, self.catalogue, store, executor)

    @property
    def problems(self) -> list[Problem]:
        """Return what is wrong with models here."""
        return [*self.catalogue.problems, *self.hosting.problems]

    def open(self) -> None:
        """Bring in and host what this node starts with. Blocks."""
        self.catalogue.install()
        self.hosting.open()

    async def close(self) -> None:
        """End everything that goes on."""
        await self.hosting.close()
