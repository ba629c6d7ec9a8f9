"""A fleet's figures, for people."""

from __future__ import annotations

from rich.table import Table

from policies.fleet.result import Distribution, Figures, FleetResult

HEADS = (
    "policy",
    "reward",
    "95 %",
    "gain",
    "worst 5 %",
    "best 5 %",
    "worse",
    "by 10 %",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "missed",
    "hidden",
    "joules",
    "hours",
)

WORST_HEADS = ("home", "reward", "gain", "live it again")


def tables(result: FleetResult) -> list[Table]:
    """Return one table over all homes, one for each family, and the homes where the rule does better than a policy."""
    found = [_table(f"{result.homes} homes", result.overall)]
    found += [_table(f"{family}: {_n_homes(figures)} homes", figures) for family, figures in result.families.items()]
    return [*found, *(_worst(name, one) for name, one in result.overall.items() if one.worst)]


def cells(one: Figures) -> list[str]:
    """Return a policy's figures under the heads behind the first."""
    requests, interval = one.requests, one.reward.ci95
    return [
        f"{one.reward.mean:.4f}",
        "" if interval is None else f"{interval[0]:.3f} … {interval[1]:.3f}",
        f"{one.gain.mean:+.1%}",
        f"{one.gain.percentiles[5]:+.1%}",
        f"{one.gain.percentiles[95]:+.1%}",
        f"{one.worse_than_rule:.1%}",
        f"{one.worse_by_a_tenth:.1%}",
        *("" if ms is None else f"{ms:.0f}" for ms in (requests.p50_ms, requests.p95_ms, requests.p99_ms)),
        f"{requests.deadline_miss:.2%}",
        f"{requests.missed_anomalies:.2%}",
        _by_class(one.joules),
        _by_class(one.battery_hours),
    ]


def worst_cells(one: Figures) -> list[list[str]]:
    """Return a policy's worst homes under their heads."""
    return [[worst.home, f"{worst.reward:.4f}", f"{worst.gain:+.1%}", worst.replay] for worst in one.worst]


def _table(title: str, policies: dict[str, Figures]) -> Table:
    table = Table(*HEADS, title=title)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for name, one in sorted(policies.items(), key=lambda entry: -entry[1].reward.mean):
        table.add_row(name, *cells(one))
    return table


def _worst(policy: str, one: Figures) -> Table:
    table = Table(*WORST_HEADS, title=f"where {policy} does worst against the rule")
    table.columns[-1].overflow = "fold"
    for row in worst_cells(one):
        table.add_row(*row)
    return table


def _n_homes(policies: dict[str, Figures]) -> int:
    return max(one.homes for one in policies.values())


def _by_class(distributions: dict[str, Distribution]) -> str:
    return " ".join(f"{name[0]}{one.mean:.3g}" for name, one in distributions.items())
