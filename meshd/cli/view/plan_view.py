"""``meshd plan`` for a person: every way as a row, the legs of the chosen one, and why it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.parts_view import sent_as, stages
from meshd.cli.view.weights_view import COST, cost, weights_line
from meshd.cli.view.words import NOTHING, duration, energy, size
from meshd.core.plan import RAW
from meshd.core.settings import Settings
from meshd.plan_document import KnownLink, PlanDocument, PlannedLook, PlannedWay

_MOST_OTHERS = 16
"""Places that a person reads; ``--json`` has all."""


def plan_view(document: PlanDocument) -> RenderableType:
    """Return the question, what is known of the links, and one table for each rate that was asked about."""
    return Group(_question(document), *_links(document), *(_look(document, look) for look in document.looks))


def _question(document: PlanDocument) -> Text:
    items = "one item" if document.batch == 1 else f"{document.batch} items"
    wishes = f"{document.priority} · {document.privacy} · {duration(document.deadline_s)} to answer"
    lengths = "".join(f" · {name} {extent}" for name, extent in document.extents.items())
    wishes += " · losing nothing" if document.lossless else ""
    told = Text.assemble(
        (document.model, "bold"),
        f"  {items}, {size(document.input_bytes)} in{lengths} · {wishes}\ndecided by {document.node}",
    )
    if document.known_by != document.node:
        told.append(f", by what {document.known_by} knows of it")
    told.append(f", policy {document.policy}; nothing was run\n", "dim")
    return told.append(weights_line(document.settings, document.priority))


def _links(document: PlanDocument) -> Iterator[Text]:
    for link in document.links:
        yield Text(f"  to {link.node}: {_known(link, document.node)}", style="dim")


def _known(link: KnownLink, told_by: str) -> str:
    rate = "no measurable time a byte" if link.rate_bps is None else speed(link.rate_bps)
    sources = {"measured": "measured", "told": f"as {told_by} tells", "assumed": "assumed from its class"}
    trip = sources["told" if link.rate_source == "told" else "measured"] if link.measured else "not measured yet"
    return f"{rate} ({sources[link.rate_source]}), round trip {duration(link.rtt_s)} ({trip})"


def speed(rate_bps: float) -> str:
    """Write a rate: ``2 Mbit/s``."""
    for unit, scale in (("Gbit/s", 1e9), ("Mbit/s", 1e6)):
        if rate_bps >= scale:
            return f"{rate_bps / scale:.3g} {unit}"
    return f"{rate_bps / 1e3:.3g} kbit/s"


def _look(document: PlanDocument, look: PlannedLook) -> RenderableType:
    supposed = Text(f"\nif every link had {speed(look.rate_bps)}", style="bold") if look.rate_bps else Text()
    if not look.ways:
        return Group(supposed, Text("nobody who can be reached hosts this model", style="yellow"))
    shown = [column for column in _COLUMNS if column.is_always or any(column.seconds(way) for way in look.ways)]
    is_encoded = any(way.codec != RAW for way in look.ways)
    names = [
        "plan",
        *(["sent as"] if is_encoded else []),
        "tier",
        "time",
        *(column.name for column in shown),
        "energy",
        COST,
    ]
    table = columns("", *names, right={*names} - {"plan", "sent as", "tier"}, wrapping=("plan",))
    for index, way in enumerate(look.ways):
        style = "bold" if index == look.chosen else "dim" if way.mask else ""
        sent = [NOTHING if way.codec == RAW else way.codec] if is_encoded else []
        seconds = (column.written(way) for column in shown)
        spent = energy(way.joules, estimated=True)
        mark, place = Text(_mark(index, look), style="bold green"), Text(way.place, style=style)
        table.add_row(mark, place, *sent, str(way.tier), duration(way.total_s), *seconds, spent, cost(way.cost))
    return Group(supposed, table, *_why(document, look), *_why_not(look), *_others(look))


class _Column(NamedTuple):
    """One part of a way's time; some are shown only where they are anything."""

    name: str
    seconds: Callable[[PlannedWay], float | None]
    is_always: bool = False
    is_assumed: Callable[[PlannedWay], bool] = lambda _way: False

    def written(self, way: PlannedWay) -> str:
        """Return its figure; with a tilde where nobody has measured it."""
        return f"{'~' if self.is_assumed(way) and self.seconds(way) else ''}{duration(self.seconds(way))}"


_COLUMNS = (
    _Column("wait", lambda way: way.queue_s),
    _Column("load", lambda way: way.load_s, is_assumed=lambda way: way.load_assumed),
    _Column("compute", lambda way: way.compute_s, is_always=True),
    _Column("transfer", lambda way: way.transfer_s, is_always=True),
    _Column("handling", lambda way: way.handling_s),
    _Column("larger tier", lambda way: way.escalation_s),
    _Column("delays others", lambda way: way.delay_s),
)


def _mark(index: int, look: PlannedLook) -> str:
    return "→" if index == look.chosen else "+" if index == look.rival else ""


def _why_not(look: PlannedLook) -> Iterator[Text]:
    for way in look.ways:
        if way.mask is not None:
            yield Text.assemble(
                (f"not {way.tier} tier on {way.place}: ", "dim"), (f"{way.mask}, {way.reason}", "yellow")
            )


def _others(look: PlannedLook) -> Iterator[Text]:
    if look.others:
        more = f"; and {len(look.others) - _MOST_OTHERS} more" if len(look.others) > _MOST_OTHERS else ""
        yield Text(f"possible too, and no better: {'; '.join(look.others[:_MOST_OTHERS])}{more}", style="dim")


def _why(document: PlanDocument, look: PlannedLook) -> Iterator[Text]:
    if look.chosen is None:
        yield Text("nothing is allowed", style="bold red")
        return
    chosen = look.ways[look.chosen]
    yield Text.assemble(("→ ", "bold green"), (chosen.place, "bold"), f": {_against(chosen, look, document.settings)}")
    if look.rival is not None:
        yield _race(chosen, look.ways[look.rival])
    for leg in chosen.legs:
        sent = f"{duration(leg.transfer_s)} to get there{sent_as(leg.codec)}; " if leg.node != document.node else ""
        yield Text(f"    {stages(leg.first, leg.last)} on {leg.node}: {sent}{duration(leg.compute_s)}")
    for share in chosen.shares:
        yield Text(f"    {share.items} items on {share.node}: {duration(share.seconds)}")


def _race(chosen: PlannedWay, rival: PlannedWay) -> Text:
    """Tell of the two runs of an emergency."""
    together = energy((chosen.joules or 0.0) + (rival.joules or 0.0), estimated=True)
    return Text(
        f"  + {rival.place} runs it at the same time, as an emergency; the first good answer wins: {together} together"
    )


def _against(chosen: PlannedWay, look: PlannedLook, settings: Settings) -> str:
    """Say what the chosen way has over the next best, in the currency that decided first."""
    others = [way for way in look.ways if way is not chosen and way.mask is None and way.cost is not None]
    if not others or chosen.total_s is None or chosen.cost is None or chosen.joules is None:
        return "the only way that is allowed"
    second = min(others, key=lambda way: way.cost or 0.0)
    assert second.total_s is not None, "a way with a cost has all figures"
    assert second.joules is not None, "a way with a cost has all figures"
    sooner_s, saved_joules = second.total_s - chosen.total_s, second.joules - chosen.joules
    time = f"{duration(abs(sooner_s))} {'sooner' if sooner_s >= 0.0 else 'later'}"
    spent = f"{energy(abs(saved_joules), estimated=True)} {'less' if saved_joules >= 0.0 else 'more'}"
    costs = f"costs {cost(chosen.cost)} mJ as weighed instead of {cost(second.cost)}"
    reasons = "".join(f"; {reason}" for reason in _reasons(chosen, second, settings))
    return f"{costs}; {time} and {spent} than {second.place}, the next best{reasons}"


def _reasons(chosen: PlannedWay, second: PlannedWay, settings: Settings) -> Iterator[str]:
    """Yield what seconds and joules alone do not show."""
    less_s = (second.delay_s or 0.0) - (chosen.delay_s or 0.0)
    if (chosen.total_s or 0.0) > (second.total_s or 0.0) and less_s > 0.0:
        yield f"it delays others by {duration(less_s)} less"
    is_weighed_less = (chosen.weighted_joules or 0.0) < (second.weighted_joules or 0.0)
    if (chosen.joules or 0.0) > (second.joules or 0.0) and is_weighed_less:
        yield f"joules from the wall count {settings.mains_joule_weight:g}"
    if chosen.forgone_joules:
        yield f"{cost(chosen.forgone_joules)} mJ of loading count as paid, requests before lost as much without it"
    if (chosen.cost or 0.0) > (second.cost or 0.0):
        yield "the policy takes it all the same"
