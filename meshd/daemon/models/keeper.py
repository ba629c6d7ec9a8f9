"""Everything that this node does with models, around one store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from meshd import log
from meshd.config import Config
from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass, HostedTier
from meshd.daemon.models.acquirer import Acquirer
from meshd.daemon.models.acquisition import Acquisition
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.divider import Divider
from meshd.daemon.models.downloads import Downloads
from meshd.daemon.models.exchange import Exchange
from meshd.daemon.models.fetcher import Fetcher
from meshd.daemon.models.healer import Healer
from meshd.daemon.models.health import Health
from meshd.daemon.models.hosting import Hosting
from meshd.daemon.models.installer import Installer
from meshd.daemon.models.lender import Lender
from meshd.daemon.models.orders import Orders
from meshd.daemon.models.preferences import Preferences
from meshd.daemon.models.source import PATIENCE_S
from meshd.documents import Arrival, Finding, Problem, Unserved
from meshd.executor.executor import Executor
from model_registry.errors import PublishersUnreadable
from model_registry.store import ModelStore

LOOK_S = 5.0
"""A look at the file of trusted publishers is one small read; this long will a person wait who has just trusted one."""


class Keeper:
    """Knows, hosts, lends, fetches, takes in, mends and removes models.

    ``on_hosted`` hears what is offered from now on, ``on_finding`` what was wrong with a model.
    """

    def __init__(
        self, config: Config, store: ModelStore, executor: Executor, *, patience_s: float = PATIENCE_S
    ) -> None:
        self.on_hosted: Callable[[tuple[HostedTier, ...]], None] = lambda _offered: None
        self.on_finding: Callable[[Finding], None] = lambda _finding: None
        self.preferences = Preferences(config.preferences_path, always_pinned=config.models.pinned)
        self.catalogue = Catalogue(config, store, unwanted=self.preferences.removed)
        self.hosting = Hosting(config, self.catalogue, store, executor)
        self._lender = Lender(store, self.catalogue)
        self.exchange = Exchange(self._lender, patience_s=patience_s)
        self.fetcher = Fetcher(self.exchange.sources)
        downloads = Downloads(store)
        self._acquisition = Acquisition(
            config,
            store=store,
            catalogue=self.catalogue,
            hosting=self.hosting,
            fetcher=self.fetcher,
            downloads=downloads,
            preferences=self.preferences,
        )
        self._acquirer = Acquirer(
            config,
            store=store,
            catalogue=self.catalogue,
            hosting=self.hosting,
            fetcher=self.fetcher,
            acquisition=self._acquisition,
            preferences=self.preferences,
            peers=self.exchange.sources,
        )
        self.orders = Orders(
            store=store,
            catalogue=self.catalogue,
            hosting=self.hosting,
            acquisition=self._acquisition,
            acquirer=self._acquirer,
            preferences=self.preferences,
        )
        self._healer = Healer(
            store=store, catalogue=self.catalogue, hosting=self.hosting, fetcher=self.fetcher, downloads=downloads
        )
        self.health = Health(
            config.models, store=store, catalogue=self.catalogue, executor=executor, healer=self._healer
        )
        self.orders.acts["verify"] = self.health.verify
        self.installer = Installer(
            catalogue=self.catalogue,
            acquisition=self._acquisition,
            orders=self.orders,
            preferences=self.preferences,
        )
        # Nobody is weaker than a watch: nothing is handed over to one.
        self._divider = Divider(
            self.hosting, executor, keeps_tails_warm=config.node.device_class is not DeviceClass.WATCH
        )
        self._stock_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.hosting.on_changed = self._hosted
        self.exchange.on_offers = self._offered
        self._acquisition.on_kept = self._stock_changed.set
        self._healer.on_finding = self._found

    @property
    def problems(self) -> list[Problem]:
        """Return what is wrong with models here."""
        return [*self.catalogue.problems, *self.hosting.problems, *self._healer.problems, *self._acquirer.problems]

    def unserved(self) -> dict[ModelName, Unserved]:
        """Return the models that should run here and do not at all, each with what keeps its best variant from it."""
        quarantined = self._healer.quarantined()
        found: dict[ModelName, Unserved] = {}
        for candidate in self.hosting.unserved():
            model, artifact = ModelName(candidate.manifest.name), candidate.artifact
            if problem := quarantined.get(artifact):
                found.setdefault(
                    model, Unserved(version=candidate.manifest.version, state="in quarantine", problem=problem)
                )
            elif problem := self.hosting.refusal(artifact):
                found.setdefault(model, Unserved(version=candidate.manifest.version, state="refused", problem=problem))
        return found

    def arriving(self) -> tuple[Arrival, ...]:
        """Return what is on its way here."""
        return self._acquisition.arriving()

    def open(self) -> None:
        """Bring in and host what this node starts with. Blocks."""
        self.catalogue.install()
        self.hosting.open()
        self._lender.restock()

    def start(self) -> None:
        """Begin to look at what peers offer, to tell them what changes here, and to try what was left at the start."""
        self._tasks = [
            asyncio.create_task(self._acquirer.run(), name="acquirer"),
            asyncio.create_task(self._announce(), name="announcer"),
            asyncio.create_task(self._catch_up(), name="trials"),
            asyncio.create_task(self._divider.run(), name="stages"),
            asyncio.create_task(self._follow_trust(), name="trust"),
        ]
        self.health.start()

    async def close(self) -> None:
        """End everything that goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.installer.close()
        await self.health.close()
        await self._lender.close()
        await self.hosting.close()

    def _hosted(self, offered: tuple[HostedTier, ...]) -> None:
        self.on_hosted(offered)
        self._divider.stir()
        self._stock_changed.set()

    def _offered(self) -> None:
        self._acquirer.stir()
        self.health.stir()

    def _found(self, finding: Finding) -> None:
        self.on_finding(finding)
        self._stock_changed.set()

    async def _catch_up(self) -> None:
        try:
            await self.hosting.catch_up()
        except Exception:  # noqa: BLE001 - the task boundary: what was hosted at the start stays so
            log.get_logger().exception(log.TASK_FAILED, task="trials")

    async def _follow_trust(self) -> None:
        """Run what commands have made trusted meanwhile, and nothing that is trusted no longer."""
        known = None
        while True:
            try:
                trusted = await asyncio.to_thread(self.catalogue.acceptance.trusted)
                if known not in (None, trusted):
                    await asyncio.to_thread(self.catalogue.review)
                    self.catalogue.on_learned()
                    await self.hosting.rehost()
                    self._acquirer.stir()
                known = trusted
            except PublishersUnreadable as error:
                log.get_logger().warning(log.MODEL_REFUSED, reason=error.message)
            except Exception:  # noqa: BLE001 - the task boundary: what was accepted stays so until somebody can tell
                log.get_logger().exception(log.TASK_FAILED, task="trust")
            await asyncio.sleep(LOOK_S)

    async def _announce(self) -> None:
        """Tell peers what is lent here whenever that has changed."""
        while True:
            await self._stock_changed.wait()
            self._stock_changed.clear()
            try:
                if await asyncio.to_thread(self._lender.restock):
                    self.exchange.announce()
            except Exception:  # noqa: BLE001 - the task boundary: peers go by what they were told last
                log.get_logger().exception(log.TASK_FAILED, task="announcer")
