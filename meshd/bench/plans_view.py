"""Plans, the stream and the cuts for a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.bench.pipeline import Pipeline
from meshd.bench.plans import PlanChoice
from meshd.cli.view.columns import columns
from meshd.cli.view.words import duration, percent


def plans_view(choices: Sequence[PlanChoice], pipeline: Pipeline | None) -> RenderableType:
    """Return a row for each model and speed, and the stream in a sentence."""
    return Group(_table(choices), *([_stream(pipeline)] if pipeline else []))


def _table(choices: Sequence[PlanChoice]) -> Table:
    table = columns(
        *("model", "link", "chosen", "time", "freely", "best", "regret", "by one node"),
        right=("link", "time", "freely", "regret", "by one node"),
    )
    for choice in choices:
        single_s = min(plan.seconds for plan in choice.plans if plan.whole)
        table.add_row(
            choice.model,
            f"{choice.bandwidth_bps / 1e6:g} Mbit/s",
            choice.chosen,
            duration(choice.chosen_s),
            duration(choice.free_s),
            Text("the same", "dim") if choice.best == choice.chosen else choice.best,
            percent(choice.regret),
            duration(single_s),
        )
    return table


def _stream(pipeline: Pipeline) -> Text:
    split = f"{pipeline.split_rps:.0f} as {pipeline.split} ({pipeline.speedup:.2f} times)"
    free = f"{pipeline.free_rps:.0f} freely ({pipeline.free_speedup:.2f} times)"
    return Text(f"{pipeline.model} as a stream: {pipeline.one_rps:.0f} a second on one node, {split}, {free}")
