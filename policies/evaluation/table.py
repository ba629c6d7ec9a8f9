"""The result of an evaluation, for people."""

from __future__ import annotations

from rich.table import Table

from policies.evaluation.result import Result, Scores
from policies.evaluation.summary import Difference, Figures
from policies.evaluation.trainings import Gained, Trainings
from policies.sheet import Sheet

HEADS = (
    "policy",
    "reward",
    "95 %",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "fg p99",
    "missed",
    "joules",
    "hours",
    "hidden",
    "worse",
)
_GAIN_HEADS = ("joules gained a request", "95 %", "of its cost")
FAMILY_HEADS = ("family", "best baseline there", *_GAIN_HEADS)
TRAINED = (
    "Of the baseline's cost, which intervals take for certain; they are over worlds, and tell nothing of trainings "
    "that were not made."
)
PICKED = "Each family's best baseline is picked on the very worlds that it is then held against, to its favour."
UNKNOWN = "n/a"

LEGEND = (
    "reward: minus what a request cost, in joules, with seconds, misses and hidden anomalies at the owner's prices; "
    "higher is better. 95 %: by a bootstrap over worlds; n/a where a family has a single one, and too narrow with a "
    "few. fg p99: of requests in the foreground alone, for those in the background may be made to wait. missed: "
    "deadlines. joules: of a world's requests, and hours: of a full battery, by class: w(atch), p(hone), h(ub), "
    "u(pstream). hidden: anomalies that a larger tier would have told. worse: requests that cost more than had "
    "they gone the best single node's way. relaxation: a bound that nobody can reach."
)
"""What stands under the heads, for who has read nothing else."""


def tables(result: Result) -> list[Table]:
    """Return one table for each family and one over all, with what it means, then what the policy gains."""
    found = [scores_table(family, scores, result.policy) for family, scores in result.families.items()]
    gained = [paired_table(result)]
    if len(found) > 1:
        found.append(scores_table("all families", result.overall, result.policy))
        gained.append(families_table(result))
    found[-1].caption, found[-1].caption_justify = LEGEND, "left"
    if result.trainings is not None:
        gained += [sheet.table() for sheet in training_sheets(result.trainings)]
        gained[-1].caption = TRAINED
    return [*found, *gained]


def scores_table(title: str, scores: Scores, ours: str) -> Table:
    """Return the policies of one family, the best first."""
    table = Table(*HEADS, title=title)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for name, one in scores.ranked:
        table.add_row(name, *cells(one), style="bold" if name == ours else None)
    return table


def paired_table(result: Result) -> Table:
    """Return what the policy gains over each baseline."""
    table = Table("baseline", *_GAIN_HEADS, title=f"what {result.policy} gains, on the same worlds")
    for name, one in sorted(result.paired.items(), key=lambda entry: entry[1].difference):
        table.add_row(name, *_gain_cells(one, result.overall.policies[name]))
    table.caption = "\n".join((*judged(result), f"best baseline: {result.best_baseline}", gap_told(result)))
    return table


def families_table(result: Result) -> Table:
    """Return what the policy gains in each family over the best baseline there."""
    table = Table(*FAMILY_HEADS, title=f"what {result.policy} gains in each family", caption=PICKED)
    for row in family_rows(result):
        table.add_row(*row)
    return table


def family_rows(result: Result) -> list[list[str]]:
    """Return for each family what stands under the heads."""
    best = {family: result.best_of(family) for family in result.families}
    return [
        [family, name, *_gain_cells(result.paired_by_family[family][name], result.families[family].policies[name])]
        for family, name in best.items()
    ]


def training_sheets(trainings: Trainings) -> list[Sheet]:
    """Return what each training gains over each baseline, then in each family over the best there."""
    heads = (*(network.short for network in trainings.networks.values()), "mean of them")
    overall = sorted(trainings.overall, key=lambda one: one.mean.difference)
    return [
        Sheet(
            title="what each training gains",
            heads=("baseline", *heads),
            rows=[[one.baseline, *_shares(one)] for one in overall],
        ),
        Sheet(
            title="what each training gains in each family",
            heads=("family", "best baseline there", *heads),
            rows=[[family, one.baseline, *_shares(one)] for family, one in trainings.families.items()],
            n_names=2,
        ),
    ]


def _shares(one: Gained) -> list[str]:
    """Return what each training gains, then all on average, as shares of the baseline's cost with intervals."""
    return [_share_cell(gained, one.baseline_reward) for gained in (*one.each.values(), one.mean)]


def _share_cell(gained: Difference, reward: float) -> str:
    low, high = (None if bound is None else bound / abs(reward) for bound in (gained.low, gained.high))
    return f"{gained.difference / abs(reward):+z.1%} ({span(low, high, '+z.1%')})"


def _gain_cells(one: Difference, baseline: Figures) -> list[str]:
    share = one.difference / abs(baseline.reward)
    return [f"{one.difference:+.4f}", span(one.low, one.high, "+.4f"), f"{share:+.1%}"]


def judged(result: Result) -> list[str]:
    """Return which networks were judged; nothing of a rule."""
    if result.trainings is not None:
        return [f"{name} is {network.told}" for name, network in result.trainings.networks.items()]
    return [] if result.network is None else [f"{result.policy} is {result.network.told}"]


def gap_told(result: Result) -> str:
    """Return how much of the gap to the planner is closed, how sure that is, and what it leaves out."""
    told = f"gap to the planner closed: {gap_share(result)}"
    if not result.planned_worlds:
        return told
    worlds = "1 world" if result.planned_worlds == 1 else f"{result.planned_worlds} worlds"
    told = f"{told} (95 %: {gap_span(result)}) on {worlds}"
    return f"{told}; {left_out}" if (left_out := unplanned(result)) else told


def gap_share(result: Result) -> str:
    """Return the share of the gap to the planner that is closed, or why there is none."""
    if not result.planned_worlds:
        return "not planned"
    return "none to close" if result.gap_closed is None else f"{result.gap_closed:.0%}"


def gap_span(result: Result) -> str:
    """Return its interval."""
    low, high = result.gap_closed_ci95 or (None, None)
    return span(low, high, ".0%")


def unplanned(result: Result) -> str:
    """Return which families the planner left out, and how it is asked for them; empty where none is."""
    if not result.unplanned_families:
        return ""
    return f"not planned: {', '.join(result.unplanned_families)}, of more nodes than --planner-nodes"


def cells(one: Figures) -> list[str]:
    """Return a policy's figures under the heads behind the first; a bound that nobody plays has a reward alone."""
    low, high = one.ci95 or (None, None)
    interval = span(low, high, ".3f")
    if not one.joules:
        return [f"{one.reward:.4f}", interval, *[""] * (len(HEADS) - 3)]
    return [
        f"{one.reward:.4f}",
        interval,
        *("" if ms is None else f"{ms:.0f}" for ms in (one.p50_ms, one.p95_ms, one.p99_ms, one.p99_foreground_ms)),
        f"{one.deadline_miss:.1%}",
        _by_class(one.joules),
        _by_class(one.battery_hours),
        f"{one.missed_anomalies:.2%}",
        "" if one.worse_than_single is None else f"{one.worse_than_single:.1%}",
    ]


def span(low: float | None, high: float | None, form: str) -> str:
    """Return an interval; what is not known is not told as certain."""
    return UNKNOWN if low is None or high is None else f"{low:{form}} … {high:{form}}"


def _by_class(numbers: dict[str, float]) -> str:
    return " ".join(f"{name[0]}{number:.3g}" for name, number in numbers.items())
