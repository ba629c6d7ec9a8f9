"""The demo from start to end: bring a household up, play, compare, tell, and leave nothing behind."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.live import Live

from meshd.cli.output import progress
from meshd.core.node import DeviceClass
from meshd.demo.household import Household
from meshd.demo.player import MODEL, Player
from meshd.demo.report import (
    Compared,
    EnergyReport,
    EscalationReport,
    InputReport,
    NodeReport,
    Remarks,
    Report,
    RequestReport,
)
from meshd.demo.scoreboard import UNKNOWN, Scoreboard
from meshd.demo.spending import HOUSEHOLD, Spending
from meshd.demo.stream import Stream
from meshd.demo.table import LiveTable
from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.manifest import Manifest
from model_registry.store import bundled_models
from model_registry.zoo.ecg.energy import WINDOW_BYTES
from model_registry.zoo.ecg.recording import SAMPLE_RATE_HZ

_REFRESH_S = 0.25
_ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What ends the demo beside Ctrl-C: a plain `kill`, its terminal being closed, and the quit key."""
_WATCH, _PHONE, _HUB = HOUSEHOLD


class DemoOptions(Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    duration_s: float | None = None
    """None: the whole stream once."""
    windows_per_s: float | None = 20.0
    """None: as fast as the mesh answers."""
    ecg: str | None = None
    csv_rate_hz: float = SAMPLE_RATE_HZ
    folder: Path | None = None


class Demo:
    """One performance."""

    def __init__(self, options: DemoOptions) -> None:
        self._options = options
        self._stream = (
            Stream.shipped() if options.ecg is None else Stream.of(options.ecg, csv_rate_hz=options.csv_rate_hz)
        )
        self._spending = Spending.of(_shipped_manifest(), WINDOW_BYTES)
        self._scoreboard = Scoreboard()

    def run(self) -> tuple[Report, Remarks]:
        """Run the demo from start to end.

        Raises:
            SetupError: the household did not come together.
            KeyboardInterrupt: somebody ended it, by Ctrl-C or a signal; the daemons are stopped all the same.
        """
        try:
            return asyncio.run(self._perform())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    async def _perform(self) -> tuple[Report, Remarks]:
        _end_on_signals()
        progress("starting a watch, a phone and a hub ...")
        async with Household(self._options.folder) as household:
            await household.gather(MODEL)
            player = Player(self._stream, household.client(_WATCH), self._scoreboard)
            progress(f"they found each other; playing {self._stream.source} ...")
            async with self._live(household):
                await player.play(windows_per_s=self._options.windows_per_s, duration_s=self._options.duration_s)
            compared = await self._compare(player)
            finished = household.devices[_WATCH].outcomes()
            remarks = self._remarks(household)
        ids = [player.request_id(number) for number in range(self._scoreboard.submitted)]
        report = self._report(household, compared, duplicates=sum(max(0, finished[name] - 1) for name in ids))
        return report, remarks

    @asynccontextmanager
    async def _live(self, household: Household) -> AsyncIterator[None]:
        """Keep a table up to date on a terminal; write nothing where nobody watches."""
        console = Console(stderr=True, highlight=False)
        if not console.is_terminal:
            yield
            return
        table = LiveTable(household, self._stream, self._scoreboard, self._spending)
        with Live(table, console=console, auto_refresh=False) as live:
            drawing = asyncio.create_task(_draw(live, table, household), name="live table")
            try:
                yield
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)
                live.refresh()

    async def _compare(self, player: Player) -> Compared:
        if self._stream.anomalous is None:
            return Compared(watch_only=UNKNOWN, cascade=UNKNOWN, hub_only=UNKNOWN)
        progress("asking the watch alone and the hub alone about the same windows ...")
        truth = [bool(anomalous) for anomalous in self._stream.anomalous]
        windows = list(self._scoreboard.played)
        by_watch, by_hub = [await player.judge(windows, tier=tier) for tier in (_WATCH, _HUB)]
        return Compared(
            watch_only=self._scoreboard.detection_of(by_watch, truth),
            cascade=self._scoreboard.detection(truth),
            hub_only=self._scoreboard.detection_of(by_hub, truth),
        )

    def _remarks(self, household: Household) -> Remarks:
        """Return what can be told only while the devices should be running."""
        return Remarks(
            ended=tuple(name for name, device in household.devices.items() if not device.running),
            watch_to_hub=self._scoreboard.escalations(_WATCH, _HUB),
            flagged=self._scoreboard.flagged,
            annotated=self._stream.anomalous is not None,
        )

    def _report(self, household: Household, compared: Compared, *, duplicates: int) -> Report:
        board, price = self._scoreboard, self._spending.joules
        played = board.played.total()
        return Report(
            nodes=tuple(
                NodeReport(id=device.node_id, device_class=name, discovered_s=household.discovered_s[name])
                for name, device in household.devices.items()
            ),
            requests=RequestReport(
                submitted=board.submitted,
                completed=board.completed,
                failed=board.failed.total(),
                degraded=board.degraded,
                lost=board.lost,
                duplicates=duplicates,
            ),
            tiers=board.latencies(),
            escalations=EscalationReport(
                watch_to_phone=board.escalations(_WATCH, _PHONE), phone_to_hub=board.escalations(_PHONE, _HUB)
            ),
            detection=compared,
            energy_joules=EnergyReport(
                watch_only=played * price([_WATCH]), cascade=board.joules(price), hub_only=played * price([_HUB])
            ),
            input=InputReport(source=self._stream.source, windows=len(self._stream)),
        )


def _shipped_manifest() -> Manifest:
    found = bundled_models()[MODEL].joinpath(MANIFEST)
    return manifests.loads(found.read_text(encoding="utf-8"), str(found))


async def _draw(live: Live, table: LiveTable, household: Household) -> None:
    while True:
        table.seen = await household.peers(DeviceClass.WATCH) or table.seen
        live.refresh()
        await asyncio.sleep(_REFRESH_S)


def _end_on_signals() -> None:
    """Stop the daemons on these signals as on Ctrl-C, which asyncio.run turns into the end of the main task."""
    performance = asyncio.current_task()
    assert performance is not None, "this runs inside asyncio.run"
    for ending in _ENDINGS:
        asyncio.get_running_loop().add_signal_handler(ending, performance.cancel)
