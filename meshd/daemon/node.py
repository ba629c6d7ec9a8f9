"""The inside of a daemon: scheduler, pump and those who speak to them. Opens no socket and no file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from meshd.core.events import DrainRequested, ModelsChanged
from meshd.core.node import HostedTier, NodeProfile
from meshd.core.policy import LeastExpectedCost, Policy
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from meshd.daemon.chronicle import Chronicle, Listener
from meshd.daemon.effects import Effects
from meshd.daemon.errands import Errands
from meshd.daemon.intake import Intake
from meshd.daemon.ledger import Ledger
from meshd.daemon.models.keeper import Keeper
from meshd.daemon.neighbourhood import Neighbourhood
from meshd.daemon.pump import Pump, Record
from meshd.daemon.runs import Runs
from meshd.daemon.vitals import Vitals
from meshd.documents import Problem
from meshd.errors import Superseded
from meshd.executor.executor import Executor


class Node:
    """One scheduler with its hands and ears, ready to be given sessions."""

    def __init__(
        self,
        profile: NodeProfile,
        settings: Settings,
        *,
        executor: Executor,
        keeper: Keeper,
        vitals: Vitals,
        listener: Listener | None,
        superseded: Callable[[Superseded], None],
        record: Callable[[Scheduler], Record | None] = lambda _scheduler: None,
        policy: Policy | None = None,
    ) -> None:
        self.policy = policy or LeastExpectedCost()
        self.vitals = vitals
        self.scheduler = Scheduler(profile, settings, monotonic())
        self.chronicle = Chronicle(self.scheduler.view, listener)
        self._pump = Pump(self.scheduler, record(self.scheduler))
        self._ledger = ledger = Ledger()
        self.intake = Intake(ledger, keeper.catalogue, self._pump.feed)
        self.neighbourhood = Neighbourhood(
            self.scheduler, ledger, self.intake, keeper, feed=self._pump.feed, superseded=superseded
        )
        self._effects = Effects(
            ledger=ledger,
            runs=Runs(ledger, executor, vitals, self._pump.feed),
            errands=Errands(ledger, keeper.catalogue, self.neighbourhood, vitals, self._pump.feed),
            links=self.neighbourhood,
            policy=self.policy,
            view=self.scheduler.view,
            chronicle=self.chronicle,
            telemetry=self.scheduler.telemetry,
            unserved=keeper.unserved,
            feed=self._pump.feed,
        )
        self._keeper = keeper
        keeper.on_hosted = self._models_changed
        keeper.catalogue.on_learned = self.neighbourhood.believe_anew
        keeper.on_finding = self.chronicle.found
        keeper.hosting.settled = ledger.turned_over

    @property
    def problems(self) -> list[Problem]:
        """Return what is wrong with models here."""
        return self._keeper.problems

    def start(self) -> None:
        """Begin to handle events."""
        self._pump.start(self._effects.perform)
        self._keeper.start()
        self.sample()

    def sample(self) -> None:
        """Take in how the machine is now."""
        self._pump.feed(self.vitals.sample())

    async def drain(self, patience_s: float) -> int:
        """Refuse new requests and wait for those alive; return how many were still alive in the end."""
        self._pump.feed(DrainRequested())
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._ledger.turned_over()
        return self.scheduler.alive_requests

    def _models_changed(self, offered: tuple[HostedTier, ...]) -> None:
        """Plan with what is hosted now, and let the peers do so."""
        self._pump.feed(ModelsChanged(hosted=offered))
        self.sample()
        self.neighbourhood.introduce()

    def stop(self) -> None:
        """Let no more time pass."""
        self._pump.stop()
