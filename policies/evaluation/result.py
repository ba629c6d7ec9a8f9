"""The result of an evaluation: what ``--json`` prints, and what table and page show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from policies.baselines import BASELINES, SINGLE
from policies.evaluation.network import Network
from policies.evaluation.outcome import Outcome
from policies.evaluation.summary import (
    Closed,
    Difference,
    Figures,
    Rows,
    difference,
    figures,
    gap_closed,
    mean_reward,
    on_worlds_of,
    rows_of,
)
from policies.evaluation.trainings import Trainings
from policies.evaluation.worlds import PLANNER, RELAXATION


class Scores(Struct, frozen=True, kw_only=True):
    """The figures of all policies."""

    policies: dict[str, Figures]

    @property
    def n_worlds(self) -> int:
        """Return how many worlds there were."""
        return max(one.n_worlds for one in self.policies.values())

    @property
    def everywhere(self) -> dict[str, Figures]:
        """Return those that played every world; means over others' worlds do not compare."""
        return {name: one for name, one in self.policies.items() if one.n_worlds == self.n_worlds}

    @property
    def ranked(self) -> list[tuple[str, Figures]]:
        """Return all, the best first; behind them, and said so, those that played only some of the worlds."""
        whole, by_reward = self.everywhere, sorted(self.policies.items(), key=lambda entry: -entry[1].reward)
        part = [
            (f"{name}, {one.n_worlds} of {self.n_worlds} worlds", one) for name, one in by_reward if name not in whole
        ]
        return [entry for entry in by_reward if entry[0] in whole] + part


class Result(Struct, frozen=True, kw_only=True):
    """All figures of one evaluation."""

    policy: str
    """What is evaluated; all others are baselines and bounds."""
    command: str
    seeds: int
    families: dict[str, Scores]
    overall: Scores
    best_baseline: str
    """Of the highest reward over all families."""
    paired: dict[str, Difference]
    """What the policy gains over each baseline, over all families."""
    paired_by_family: dict[str, dict[str, Difference]]
    gap_closed: float | None
    """Of the way to the planner from the baseline that is best on the planner's worlds; none without the planner."""
    gap_closed_ci95: tuple[float, float] | None
    """None where it is not known: see :func:`policies.evaluation.summary.gap_closed`."""
    planned_worlds: int
    unplanned_families: list[str] = []
    """Without a world that was planned, be it for its number of nodes or because none was to be."""
    network: Network | None = None
    """None where what is evaluated is a rule."""
    trainings: Trainings | None = None
    """None where no other networks were held against the same baselines."""

    def best_of(self, family: str) -> str:
        """Return the best baseline of a family: picked on the worlds that it is then held against, to its favour."""
        played = self.families[family].policies
        return max(self.paired_by_family[family], key=lambda name: played[name].reward)


def result_of(
    outcomes: Iterable[Outcome], policy: str, command: str, networks: Mapping[str, Network] | None = None
) -> Result:
    """Return the result of what was played; ``networks`` are the learned policies, by the names they played under."""
    networks = networks or {}
    rows = _rows(outcomes)
    names = sorted({family for by_family in rows.values() for family in by_family})
    overall = _scores(rows, names)
    others = [name for name in overall.policies if name in BASELINES and name != policy]
    best = max(others, key=lambda name: overall.policies[name].reward)
    closed = _gap(rows, policy, others, names)
    result = Result(
        policy=policy,
        command=command,
        seeds=max(len(row) for row in rows[policy].values()),
        families={family: _scores(rows, [family]) for family in names},
        overall=overall,
        best_baseline=best,
        paired=_paired(rows, policy, others, names),
        paired_by_family={family: _paired(rows, policy, others, [family]) for family in names},
        gap_closed=closed.share,
        gap_closed_ci95=closed.ci95,
        planned_worlds=sum(len(row) for row in rows.get(PLANNER, {}).values()),
        unplanned_families=[family for family in names if family not in rows.get(PLANNER, {})],
        network=networks.get(policy),
    )
    if len(networks) < 2:
        return result
    best_there = {family: result.best_of(family) for family in names}
    return replace(result, trainings=Trainings.of(networks, rows, best_there, others))


def _rows(outcomes: Iterable[Outcome]) -> Rows:
    rows: dict[str, dict[str, dict[int, Outcome]]] = {}
    for one in sorted(outcomes, key=lambda one: (one.family, one.seed)):
        rows.setdefault(one.policy, {}).setdefault(one.family, {})[one.seed] = one
    return rows


def _scores(rows: Rows, families: Sequence[str]) -> Scores:
    singles = rows_of(rows, SINGLE, families) if SINGLE in rows else None
    played = {name: of for name in sorted(rows) if any(of := rows_of(rows, name, families))}
    return Scores(policies={name: figures(of, None if name == RELAXATION else singles) for name, of in played.items()})


def _paired(rows: Rows, policy: str, others: Sequence[str], families: Sequence[str]) -> dict[str, Difference]:
    ours = rows_of(rows, policy, families)
    return {name: difference(ours, rows_of(rows, name, families)) for name in others}


def _gap(rows: Rows, policy: str, others: Sequence[str], families: Sequence[str]) -> Closed:
    """Return what is closed of the gap between the planner and the baseline that is best on the planner's worlds."""
    planned = [family for family in families if PLANNER in rows and family in rows[PLANNER]]
    if not planned:
        return Closed(share=None, ci95=None)
    planner, ours = (rows_of(rows, name, planned) for name in (PLANNER, policy))
    baselines = [rows_of(rows, name, planned) for name in others]
    best = max(baselines, key=lambda baseline: mean_reward(on_worlds_of(baseline, planner)))
    return gap_closed(ours, best, planner)
