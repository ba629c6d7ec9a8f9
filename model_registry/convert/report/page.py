"""One page that needs nothing else: no script, no font, no request; for a screen of any width and for paper."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from model_registry.advice.recommendation import Advice
from model_registry.advice.remarks import remarks
from model_registry.convert.rendering import rendered
from model_registry.convert.report import content
from model_registry.convert.report.plot import Point, pareto_svg
from model_registry.convert.sweep import Sweep
from model_registry.figures import duration, percent, size

_FEWEST_POINTS = 2  # One variant alone compares with nothing.


class Plot(Struct, frozen=True, kw_only=True):
    """A drawing, with what it says for those who do not see it."""

    title: str
    spoken: str
    svg: str


def write_page(sweep: Sweep, advice: Sequence[Advice], path: Path) -> None:
    """Write the report of an import, with the advice for each class of devices, as one HTML file."""
    path.write_text(page(sweep, advice), encoding="utf-8")


def page(sweep: Sweep, advice: Sequence[Advice]) -> str:
    """Return the report as HTML; whatever a stranger's file says is text there, never markup."""
    return rendered(
        __package__,
        sweep=sweep,
        draft=sweep.draft,
        advice=[(each, content.there(each)) for each in advice],
        remarks=list(remarks(advice, sweep.draft.axes)),
        rows=content.rows(sweep, advice),
        energies=content.energies(sweep),
        metric=content.metric_name(sweep),
        judged_on=content.judged_on(sweep),
        reasons=content.reasons(sweep),
        sources=content.sources(sweep),
        plots=_plots(sweep),
        origin_size=size(sweep.origin_bytes),
        took=duration(sweep.took_s),
        date=sweep.draft.lifecycle.imported or dt.datetime.now(tz=dt.UTC).date(),
    )


def _plots(sweep: Sweep) -> list[Plot]:
    """Return accuracy against size and against latency, where there is something to compare."""
    metric = content.metric_name(sweep)
    known = [(made, made.variant, made.variant.accuracy.get(sweep.metric)) for made in sweep.made]
    sizes = [Point(name=v.name, cost=v.size_bytes / 1e6, accuracy=a) for _, v, a in known if a is not None]
    times = [
        Point(name=variant.name, cost=cost.p50_ms, accuracy=accuracy)
        for made, variant, accuracy in known
        if accuracy is not None and (cost := content.measured_here(made, sweep))
    ]
    return [
        _plot(f"{metric} against {what}".capitalize(), points, cost=cost, metric=metric, unique=what)
        for what, cost, points in (("size", "size, MB", sizes), ("latency", "median latency here, ms", times))
        if len(points) >= _FEWEST_POINTS
    ]


def _plot(title: str, points: Sequence[Point], *, cost: str, metric: str, unique: str) -> Plot:
    unit = cost.rpartition(" ")[2]
    spoken = "; ".join(f"{point.name}: {point.cost:.3g} {unit}, {percent(point.accuracy)}" for point in points)
    return Plot(title=title, spoken=spoken, svg=pareto_svg(points, cost=cost, metric=metric, unique=unique))
