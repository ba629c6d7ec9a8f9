"""One page that needs nothing else: no script, no font, no request; for a screen of any width and for paper."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from model_registry.convert.rendering import rendered
from model_registry.convert.report.drawing import standalone
from policies.baselines import BASELINES, DEFAULT
from policies.evaluation.result import Result, Scores
from policies.evaluation.summary import Difference
from policies.evaluation.table import (
    FAMILY_HEADS,
    HEADS,
    PICKED,
    TRAINED,
    cells,
    family_rows,
    gap_share,
    gap_span,
    judged,
    span,
    training_sheets,
    unplanned,
)
from policies.page import Card, Plot
from policies.report.plots import FAR_OUT, families_svg, gains_svg, misses_svg, rewards_svg
from policies.scenario import Split, family_names


class Section(Struct, frozen=True, kw_only=True):
    """The table of one family."""

    name: str
    rows: list[list[str]]
    svg: str = ""


def write_page(result: Result, path: Path) -> None:
    """Write an evaluation as one HTML file."""
    path.write_text(page(result), encoding="utf-8")


def write_picture(result: Result, path: Path) -> None:
    """Write what each family costs as one SVG file."""
    path.write_text(standalone(families_svg(result, "families")), encoding="utf-8")


def page(result: Result) -> str:
    """Return an evaluation as HTML; names are text there, never markup."""
    return rendered(
        "policies.report",
        result=result,
        judged="; ".join(judged(result)),
        cards=_cards(result),
        overall=_overall(result),
        family_heads=FAMILY_HEADS,
        family_rows=family_rows(result),
        picked=PICKED,
        trainings=training_sheets(result.trainings) if result.trainings else [],
        trained=TRAINED,
        heads=HEADS,
        looked_at=result.overall.policies[result.policy].n_beside_single,
        drift=_drift(result),
        rules={name: baseline.about for name, baseline in BASELINES.items()},
        known=[name for name in result.families if name not in family_names(Split.TEST)],
        families=[
            Section(name="all families", rows=_rows(result.overall)),
            *(_section(name, scores, result.policy) for name, scores in result.families.items()),
        ],
    )


def _drift(result: Result) -> str:
    """Return how many requests are dearer than in the single node's world, by the policy and by the rule."""
    told = {name: result.overall.policies[name].worse_than_single_world for name in (result.policy, DEFAULT)}
    shares = [f"{share:.1%} of requests cost more under {name}" for name, share in told.items() if share is not None]
    return " and ".join(shares) or "nothing was compared"


def _cards(result: Result) -> list[Card]:
    ours, best = result.overall.policies[result.policy], result.overall.policies[result.best_baseline]
    paired = result.paired[result.best_baseline]
    share = paired.difference / abs(best.reward)
    return [
        Card(
            title=f"against {result.best_baseline}, the best baseline",
            figure=f"{abs(share):.1%} {'cheaper' if share >= 0.0 else 'dearer'}",
            text=f"{paired.difference:+.4f} J gained a request, 95 %: {span(paired.low, paired.high, '+.4f')}; "
            f"{_beyond_chance(paired)}",
        ),
        Card(
            title="of the gap to the planner closed",
            figure=gap_share(result),
            text=_planned(result),
        ),
        Card(
            title="deadlines missed",
            figure=f"{ours.deadline_miss:.1%}",
            text=f"{best.deadline_miss:.1%} under {result.best_baseline}",
        ),
        Card(
            title="joules for a world's requests",
            figure=f"{sum(ours.joules.values()):.1f}",
            text=f"{sum(best.joules.values()):.1f} under {result.best_baseline}",
        ),
        Card(
            title="of requests worse off than by the best single node's way",
            figure=_percent(ours.worse_than_single),
            text=f"{_percent(result.overall.policies[DEFAULT].worse_than_single)} under {DEFAULT}",
        ),
    ]


def _planned(result: Result) -> str:
    if not result.planned_worlds:
        return "the planner played no world"
    worlds = f"{result.planned_worlds} planned with their future known, of {result.overall.n_worlds} worlds"
    told = f"95 %: {gap_span(result)}; {worlds}"
    return f"{told}; {left_out}" if (left_out := unplanned(result)) else told


def _beyond_chance(gain: Difference) -> str:
    if gain.low is None or gain.high is None:
        return "one world of a family tells nothing of others"
    return "beyond chance" if gain.low > 0.0 or gain.high < 0.0 else "not beyond chance"


def _percent(share: float | None) -> str:
    return "not tried" if share is None else f"{share:.1%}"


def _overall(result: Result) -> list[Plot]:
    return [
        Plot(
            svg=families_svg(result, "families"),
            caption="Each family: the policy, the best baseline there, and where it planned every world the planner. "
            "Left of the line is cheaper than the rule; the axis does not begin at 0.",
        ),
        Plot(svg=gains_svg(result, "gains"), caption=f"What {result.policy} gains; right of the line it is better."),
        Plot(
            svg=rewards_svg(result.overall, result.policy, "rewards"),
            caption="Cost of a request, the mean over worlds and families. Intervals overlap where worlds differ more "
            "than policies do; differences on the same worlds stand in the picture before. Hollow: the planner, where "
            "it planned all.",
        ),
        Plot(
            svg=misses_svg(result.overall, result.policy, "misses"),
            caption=f"Energy against misses: left and low is good. {FAR_OUT} is far outside.",
        ),
    ]


def _section(name: str, scores: Scores, ours: str) -> Section:
    return Section(name=name, rows=_rows(scores), svg=rewards_svg(scores, ours, f"rewards-{name}"))


def _rows(scores: Scores) -> list[list[str]]:
    return [[name, *cells(one)] for name, one in scores.ranked]
