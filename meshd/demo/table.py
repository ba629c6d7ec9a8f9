"""The live view: what is where, what ran where, and what it found."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.words import NOTHING, duration, energy, percent, short, standing
from meshd.core.node import DeviceClass
from meshd.demo.household import Household
from meshd.demo.report import milliseconds
from meshd.demo.scoreboard import Alarm, Scoreboard
from meshd.demo.spending import HOUSEHOLD, Spending
from meshd.demo.stream import Stream
from meshd.documents import Peer, PeersDocument


class LiveTable:
    """Draws the present state whenever it is asked to; knows how to read, not how to measure."""

    def __init__(self, household: Household, stream: Stream, scoreboard: Scoreboard, spending: Spending) -> None:
        self._household = household
        self._stream = stream
        self._scoreboard = scoreboard
        self._spending = spending
        self.seen: PeersDocument | None = None
        """What the watch knows of the others, refreshed by whoever asks it."""

    def __rich__(self) -> RenderableType:
        return Group("", self._devices(), "", self._progress(), *self._alarms())

    def _devices(self) -> Table:
        figures = ("last word", "p50", "p99")
        table = columns("device", "id", "state", "link", *figures, right=figures)
        for name in HOUSEHOLD:
            table.add_row(*self._row(name))
        return table

    def _row(self, name: DeviceClass) -> tuple[str | Text, ...]:
        device, latency = self._household.devices[name], self._scoreboard.latency(name)
        state, link = self._standing(name)
        words = (str(latency.answered), milliseconds(latency.p50_ms), milliseconds(latency.p99_ms))
        return (str(name), short(device.node_id), state, link, *words)

    def _standing(self, name: DeviceClass) -> tuple[Text, str]:
        """Return how a device is in the watch's eyes, for it is the one that decides."""
        if not self._household.devices[name].running:
            return Text("gone", style="red"), NOTHING
        peer = self._peer(name)
        if peer is None:
            return Text("here", style="green"), NOTHING
        return standing(peer.state), f"up, {duration(peer.rtt_s)}" if peer.link_up else "down"

    def _peer(self, name: DeviceClass) -> Peer | None:
        node_id = self._household.devices[name].node_id
        return next((peer for peer in self.seen.peers if peer.node_id == node_id), None) if self.seen else None

    def _progress(self) -> Text:
        board = self._scoreboard
        to_phone = board.escalations(DeviceClass.WATCH, DeviceClass.PHONE)
        to_hub = board.escalations(DeviceClass.PHONE, DeviceClass.HUB)
        trouble = f", {board.failed.total()} failed, {board.lost} lost" if board.failed or board.lost else ""
        return Text(
            f"{board.completed} of {board.submitted} windows answered ({self._real_share()} of them real), "
            f"{board.degraded} degraded{trouble}\n"
            f"escalated {to_phone} to the phone, {to_hub} to the hub · spent so far "
            f"{energy(board.joules(self._spending.joules), estimated=True)} at one window every 10 s"
        )

    def _real_share(self) -> str:
        played = self._scoreboard.played
        real = sum(times for window, times in played.items() if self._stream.real[window])
        return percent(real / played.total() if played else None)

    def _alarms(self) -> list[Text]:
        return [Text()] + [self._alarm(alarm) for alarm in self._scoreboard.recent]

    def _alarm(self, alarm: Alarm) -> Text:
        origin = "real" if self._stream.real[alarm.window] else "simulated"
        sure = "" if alarm.confidence is None else f", {alarm.confidence:.0%} sure"
        told = Text.assemble(
            ("anomaly", "bold red"), f" in window {alarm.window} ({origin}), by the {alarm.tier}{sure}"
        )
        if self._stream.anomalous is not None:
            right = bool(self._stream.anomalous[alarm.window])
            told.append(" · annotated so" if right else " · annotated calm", "green" if right else "yellow")
        return told
