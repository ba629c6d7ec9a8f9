"""What the demo has to say when it is over: one JSON object, or a page for a person."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.words import NOTHING, energy, percent
from meshd.core.node import DeviceClass
from meshd.demo.scoreboard import UNKNOWN, Detection, Latency


class NodeReport(Struct, frozen=True, kw_only=True):
    """A device, and the seconds from the start of its process until it saw all others."""

    id: str
    device_class: DeviceClass = field(name="class")
    discovered_s: float


class RequestReport(Struct, frozen=True, kw_only=True):
    """Windows played, and how each ended; the last two must be zero."""

    submitted: int
    completed: int
    failed: int
    degraded: int
    lost: int
    duplicates: int


class EscalationReport(Struct, frozen=True, kw_only=True):
    """Windows that one device passed to the next."""

    watch_to_phone: int
    phone_to_hub: int


class Compared(Struct, frozen=True, kw_only=True):
    """The same windows, watched over in three ways."""

    watch_only: Detection
    cascade: Detection
    hub_only: Detection


class EnergyReport(Struct, frozen=True, kw_only=True):
    """Joules of all devices together at one window every ten seconds, by the way of watching."""

    watch_only: float
    cascade: float
    hub_only: float
    estimated: bool = True


class InputReport(Struct, frozen=True, kw_only=True):
    """What was played."""

    source: str
    windows: int


class Report(Struct, frozen=True, kw_only=True):
    """The whole outcome."""

    nodes: tuple[NodeReport, ...]
    requests: RequestReport
    tiers: dict[DeviceClass, Latency]
    escalations: EscalationReport
    detection: Compared
    energy_joules: EnergyReport
    input: InputReport

    @property
    def sound(self) -> bool:
        """Tell whether every request had exactly one answer."""
        return not (self.requests.failed or self.requests.lost or self.requests.duplicates)


class Remarks(Struct, frozen=True, kw_only=True):
    """What a person is told beside the figures; the report's keys stay what programs rely on."""

    ended: tuple[DeviceClass, ...] = ()
    """Devices whose daemon ended while the demo still needed it."""
    watch_to_hub: int = 0
    """Windows that were passed on past a phone that could not take them."""
    flagged: int = 0
    """Windows that the cascade called anomalous."""
    annotated: bool = True


def report_view(report: Report, remarks: Remarks) -> RenderableType:
    """Return the summary for a person."""
    requests, escalations = report.requests, report.escalations
    discovered = ", ".join(f"{node.device_class} {node.discovered_s:.1f} s" for node in report.nodes)
    lines = Text.assemble(
        f"played     {requests.submitted} windows from {report.input.source}\n",
        f"discovered {discovered} after the start of each\n",
        f"requests   {requests.completed} answered, ",
        (f"{requests.failed} failed, {requests.lost} lost, {requests.duplicates} twice", "" if report.sound else "red"),
        f", {requests.degraded} degraded\n",
        f"escalated  {escalations.watch_to_phone} from watch to phone, {escalations.phone_to_hub} from phone to hub",
        f", {remarks.watch_to_hub} from watch to hub, past the phone" if remarks.watch_to_hub else "",
        *((f"\nended      the {name}, by itself, before the demo was over", "red") for name in remarks.ended),
    )
    return Group(lines, "", _latencies(report), "", _comparison(report), *_caveats(report, remarks))


def _latencies(report: Report) -> Table:
    table = columns("last word by", "windows", "p50", "p99", right=("windows", "p50", "p99"))
    for tier, latency in report.tiers.items():
        table.add_row(str(tier), str(latency.answered), milliseconds(latency.p50_ms), milliseconds(latency.p99_ms))
    return table


def _comparison(report: Report) -> Table:
    figures = ("sensitivity", "specificity", "energy (estimate)")
    table = columns("watched over by", *figures, right=figures)
    for name, detection, joules in _ways(report):
        style = "bold" if name == "the cascade" else ""
        table.add_row(name, percent(detection.sensitivity), percent(detection.specificity), energy(joules), style=style)
    return table


def _ways(report: Report) -> Iterator[tuple[str, Detection, float]]:
    yield "the watch alone", report.detection.watch_only, report.energy_joules.watch_only
    yield "the cascade", report.detection.cascade, report.energy_joules.cascade
    yield "the hub alone", report.detection.hub_only, report.energy_joules.hub_only


def _caveats(report: Report, remarks: Remarks) -> Iterator[str]:
    """Say why figures are missing."""
    if not remarks.annotated:
        yield "\nNobody annotated this recording, so none of the three can be judged by it."
        yield f"The cascade called {remarks.flagged} of {report.requests.completed} windows anomalous."
        return
    for name, detection in (
        (DeviceClass.WATCH, report.detection.watch_only),
        (DeviceClass.HUB, report.detection.hub_only),
    ):
        if detection == UNKNOWN:
            yield f"\nThe {name} alone could not be judged: {_silence(name, remarks)}."


def _silence(name: DeviceClass, remarks: Remarks) -> str:
    if name in remarks.ended:
        return f"the {name} had ended"
    if DeviceClass.WATCH in remarks.ended:
        return "the watch, which passes the questions on, had ended"
    return "it gave no answer"


def milliseconds(value: float | None) -> str:
    """Write a duration in milliseconds."""
    return NOTHING if value is None else f"{value:.1f} ms"
