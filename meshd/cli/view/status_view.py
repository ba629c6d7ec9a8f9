"""``meshd status`` for a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.cli.view.arrivals_view import arrival_lines
from meshd.cli.view.words import duration, energy, percent, short, size
from meshd.documents import BatteryState, DriftCounters, Excess, MqttState, Problem, StatusDocument


def status_view(status: StatusDocument) -> RenderableType:
    """Return who the node is, its figures, then what is wrong."""
    health = Text("healthy", style="green") if status.healthy else Text("not healthy", style="bold red")
    title = Text.assemble(
        (status.name, "bold"), f"  {status.device_class} · {short(status.node_id)} · meshd {status.version} · ", health
    )
    figures = Table.grid(padding=(0, 2))
    figures.add_column(style="dim", no_wrap=True)
    for name, value in _figures(status):
        figures.add_row(name, value)
    return Group(title, figures, *arrival_lines(status.arriving), *(_problem(problem) for problem in status.problems))


def _figures(status: StatusDocument) -> Iterator[tuple[str, str]]:
    requests, queue, memory = status.requests, status.queue, status.memory
    yield "up", f"{duration(status.uptime_s)}, listening on {status.listening or 'nothing'}"
    answered = f"{requests.completed} answered of {requests.submitted} · {requests.failed} failed"
    yield (
        "requests",
        f"{answered} · {requests.degraded} degraded · {requests.escalated} escalated · {requests.alive} alive",
    )
    waiting = f"{queue.queued} of {queue.queued_max} waiting · {queue.running} of {queue.slots} slots busy"
    yield "queue", f"{waiting} · {duration(queue.backlog_s)} behind"
    free = f" · {size(memory.free_bytes)} free on the device" if memory.free_bytes is not None else ""
    yield "memory", f"{size(memory.resident_bytes)} resident{free}"
    yield "energy", energy(status.energy.joules, estimated=status.energy.estimated)
    yield "battery", _battery(status.battery)
    yield "policy", _policy(status)
    if status.drifts != DriftCounters():
        yield "learned anew", _drifts(status.drifts)
    yield "mqtt", _mqtt(status.mqtt)
    if status.excess != Excess():
        yield "too much", _excess(status.excess)


def _policy(status: StatusDocument) -> str:
    choices = status.choices
    digits = f" {short(status.policy_sha256)}" if status.policy_sha256 else ""
    why = f", for {status.policy_note}" if status.policy_note else ""
    waits = f" · {choices.waits} to wait" if choices.waits else ""
    guarded = "".join(f" · {count} left to the rule: {why}" for why, count in sorted(choices.guarded.items()))
    moved = f" · {choices.moved} by experience" if choices.moved else ""
    asked = f" · asked {choices.asked} times" if choices.asked else ""
    return f"{status.policy}{digits}{why}{_adapts(status)}{asked}{waits}{moved}{guarded.replace('_', ' ')}"


def _adapts(status: StatusDocument) -> str:
    if status.corrected is None:
        return ""
    n_ways = len(status.corrected)
    return f" · adapts, {n_ways or 'no'} kind{'' if n_ways == 1 else 's'} of ways corrected"


def _drifts(drifts: DriftCounters) -> str:
    there = f"runs {drifts.runs} times · links {drifts.links} · handling {drifts.handling}"
    return f"{there} · escalations {drifts.escalations}"


def _excess(excess: Excess) -> str:
    ended = f"{excess.peers_cut_off} of them and {excess.slow_readers_cut_off} slow readers cut off"
    return f"{excess.messages_left_out} heartbeats and capabilities of peers left out · {ended}"


def _battery(battery: BatteryState | None) -> str:
    if battery is None:
        return "on mains"
    charging = ", charging" if battery.charging else ""
    simulated = " (simulated)" if battery.simulated else ""
    return f"{percent(battery.fraction)}{charging}{simulated}"


def _mqtt(mqtt: MqttState) -> str:
    url = f" {mqtt.url}" if mqtt.url else ""
    why = f": {mqtt.last_error}" if mqtt.last_error and mqtt.state != "connected" else ""
    return f"{mqtt.state}{url}{why}"


def _problem(problem: Problem) -> Text:
    return Text.assemble(("! ", "bold yellow"), problem.sentence, (f" {problem.hint}" if problem.hint else "", "dim"))
