"""``meshd plan`` for a person: every way as a row, the legs of the chosen one, and why it is chosen."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.parts_view import sent_as, stages
from meshd.cli.view.words import duration, energy, size
from meshd.plan_document import KnownLink, PlanDocument, PlannedLook, PlannedWay


def plan_view(document: PlanDocument) -> RenderableType:
    """Return the question, what is known of the links, and one table for each rate that was asked about."""
    return Group(_question(document), *_links(document), *(_look(document, look) for look in document.looks))


def _question(document: PlanDocument) -> Text:
    items = "one item" if document.batch == 1 else f"{document.batch} items"
    wishes = f"{document.priority} · {document.privacy} · {duration(document.deadline_s)} to answer"
    told = Text.assemble(
        (document.model, "bold"), f"  {items}, {size(document.input_bytes)} in · {wishes}\ndecided by {document.node}"
    )
    if document.known_by != document.node:
        told.append(f", by what {document.known_by} knows of it")
    return told.append(f", policy {document.policy}; nothing was run", "dim")


def _links(document: PlanDocument) -> Iterator[Text]:
    for link in document.links:
        yield Text(f"  to {link.node}: {_known(link)}", style="dim")


def _known(link: KnownLink) -> str:
    rate = "no measurable time a byte" if link.rate_bps is None else speed(link.rate_bps)
    source = "measured" if link.measured else "announced, not measured yet"
    return f"{rate}, round trip {duration(link.rtt_s)} ({source})"


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
    table = columns(
        *("", "plan", "tier", "time", "compute", "transfer", "energy"),
        right=("time", "compute", "transfer", "energy"),
    )
    for index, way in enumerate(look.ways):
        table.add_row(*_row(way, chosen=index == look.chosen))
    return Group(supposed, table, *_why(document, look), *_why_not(look))


def _row(way: PlannedWay, *, chosen: bool) -> tuple[str | Text, ...]:
    style = "bold" if chosen else "dim" if way.mask else ""
    return (
        Text("→" if chosen else "", style="bold green"),
        Text(_place(way), style=style),
        str(way.tier),
        duration(way.total_s),
        duration(way.compute_s),
        duration(way.transfer_s),
        energy(way.joules, estimated=True),
    )


def _place(way: PlannedWay) -> str:
    return f"{way.place}{sent_as(way.codec)}"


def _why_not(look: PlannedLook) -> Iterator[Text]:
    for way in look.ways:
        if way.mask is not None:
            yield Text.assemble((f"not {_place(way)}: ", "dim"), (f"{way.mask}, {way.reason}", "yellow"))


def _why(document: PlanDocument, look: PlannedLook) -> Iterator[Text]:
    if look.chosen is None:
        yield Text("nothing is allowed", style="bold red")
        return
    chosen = look.ways[look.chosen]
    yield Text.assemble(("→ ", "bold green"), (chosen.place, "bold"), f": {_against(chosen, look)}")
    for leg in chosen.legs:
        sent = f"{duration(leg.transfer_s)} to get there{sent_as(leg.codec)}; " if leg.node != document.node else ""
        yield Text(f"    {stages(leg.first, leg.last)} on {leg.node}: {sent}{duration(leg.compute_s)}")
    for share in chosen.shares:
        yield Text(f"    {share.items} items on {share.node}: {duration(share.seconds)}")


def _against(chosen: PlannedWay, look: PlannedLook) -> str:
    """Say what the chosen way has over the next best."""
    others = [way for way in look.ways if way is not chosen and way.mask is None and way.cost is not None]
    if not others or chosen.total_s is None or chosen.cost is None or chosen.joules is None:
        return "the only way that is allowed"
    second = min(others, key=lambda way: way.cost or 0.0)
    assert second.total_s is not None, "a way with a cost has all figures"
    assert second.joules is not None, "a way with a cost has all figures"
    sooner_s, saved_joules = second.total_s - chosen.total_s, second.joules - chosen.joules
    time = f"{duration(abs(sooner_s))} {'sooner' if sooner_s >= 0.0 else 'later'}"
    spent = f"{energy(abs(saved_joules), estimated=True)} {'less' if saved_joules >= 0.0 else 'more'}"
    return f"{time} and {spent} than {second.place}, the next best"
