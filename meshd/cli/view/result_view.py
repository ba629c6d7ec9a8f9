"""``meshd infer`` for a person, and for a program."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.cli.view.parts_view import sent_as, stages
from meshd.cli.view.words import duration, energy
from meshd.client import Result
from meshd.core.answer import Hop

_SHOWN_ELEMENTS = 8


def result_document(result: Result) -> dict[str, Any]:
    """Return the answer with its outputs as nested lists."""
    outputs = {
        name: {"dtype": str(array.dtype), "shape": array.shape, "values": array.tolist()}
        for name, array in result.outputs.items()
    }
    return {"request_id": result.request_id, "answer": result.answer, "outputs": outputs}


def result_view(result: Result) -> RenderableType:
    """Return the outputs, shortened, and the answer's story in three lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, array in result.outputs.items():
        table.add_row(name, f"{array.dtype}{list(array.shape)}", _shortened(array))
    return Group(table, _story(result))


def _story(result: Result) -> Text:
    told = Text("\n").append_text(_verdict(result))
    if result.degraded:
        told.append("degraded: a larger model should have looked again and could not be reached in time\n", "yellow")
    route = "".join(_joined(before, hop) for before, hop in pairwise((None, *result.route)))
    spent = energy(result.energy.joules, estimated=result.energy.estimated)
    told.append(f"{route} · {duration(result.timings.total_s)} · {spent}\n")
    return told.append(f"meshd explain {result.request_id}", "dim")


def _joined(before: Hop | None, hop: Hop | None) -> str:
    """Return a run with what leads to it: ``+`` beside another run of that tier, ``→`` behind another stage or tier."""
    assert hop is not None, "only what is before the first run is none"
    part = f"{stages(*hop.stages)} of the " if hop.stages else ""
    ran = f"{part}{hop.tier} tier on {hop.node}{sent_as(hop.codec)}"
    if before is None:
        return ran
    is_beside = hop.stages is None and before.stages is None and hop.tier is before.tier
    return f" {'+' if is_beside else '→'} {ran}"


def _verdict(result: Result) -> Text:
    if result.anomalous is None:
        return Text()  # The tier that answered knows no alarms.
    sure = "" if result.confidence is None else f", {result.confidence:.0%} sure"
    word = ("yes", "bold red") if result.anomalous else ("no", "bold green")
    return Text.assemble("anomalous: ", word, sure, "" if result.degraded else ", not degraded", "\n")


def _shortened(array: NDArray[Any]) -> str:
    with np.printoptions(precision=4, threshold=_SHOWN_ELEMENTS, edgeitems=3, suppress=True):
        return str(array)
