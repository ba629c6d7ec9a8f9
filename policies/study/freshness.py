"""What fresher knowledge is worth: each answer tells what its node knows of itself, or heartbeats alone do.

With it every reply carries the queue, the warm models, battery and radio of who answers, as the daemon's replies do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from msgspec import Struct
from typing_extensions import override

from meshd.policy.guard import Why
from policies.page import Card
from policies.sheet import Sheet
from policies.study.arm import Arm, contenders
from policies.study.findings import Findings
from policies.study.gain import GAIN_HEADS, Gain, gain, gain_cells
from policies.study.runs import REWARD, Estimate, Runs
from policies.study.written import bounds, value

_HEADS = ("family", "policy", "J by heartbeats", *GAIN_HEADS, "then unlike training")


class Worth(Struct, frozen=True, kw_only=True):
    """What fresher knowledge brings one policy."""

    stale: Estimate
    """Reward by heartbeats alone."""
    gain: Gain
    """Of replies over that."""
    fallbacks: dict[str, float]
    """Shares of decisions by heartbeats alone, by why."""


class Freshness(Findings, frozen=True, kw_only=True):
    """The whole study, by family and policy."""

    families: dict[str, dict[str, Worth]]
    overall: dict[str, Worth]

    title = "What fresher knowledge is worth"
    lead = (
        "Every reply carries the queue, the warm models, battery and radio of its node, as in the daemon; beside it the"
        " same worlds with heartbeats alone. Costs are of a request, joules of the nodes with a battery. Families weigh"
        " alike."
    )

    @classmethod
    def of(cls, runs: Runs, policy: str, command: str) -> Self:
        """Return the study of what was played."""
        names = list(contenders(policy))
        return cls(
            policy=names[0],
            command=command,
            n_worlds=runs.n_worlds(runs.families),
            families={family: _worths(runs, names, [family]) for family in runs.families},
            overall=_worths(runs, names, runs.families),
        )

    @override
    def cards(self) -> list[Card]:
        """Return what it is worth to each policy."""
        return [
            Card(
                title=f"to {name}",
                figure=value(one.gain.share, "+z.1%"),
                text=f"of what a request costs; 95 %: {bounds(one.gain.share, '+z.1%')}",
            )
            for name, one in self.overall.items()
        ]

    @override
    def sheets(self) -> list[Sheet]:
        """Return one table."""
        families = {"all families": self.overall} | self.families
        rows = [[family, name, *_cells(one)] for family, by in families.items() for name, one in by.items()]
        return [Sheet(title="what fresher knowledge is worth", heads=_HEADS, rows=rows, n_names=2)]


def arms(policy: str) -> list[Arm]:
    """Return each policy with either knowledge."""
    return [
        Arm(name=_arm(name, is_fresh=is_fresh), contender=contender, replies_tell=is_fresh)
        for name, contender in contenders(policy).items()
        for is_fresh in (True, False)
    ]


def _arm(name: str, *, is_fresh: bool) -> str:
    return f"{name}, {'replies' if is_fresh else 'heartbeats'}"


def _worths(runs: Runs, names: Sequence[str], families: Sequence[str]) -> dict[str, Worth]:
    return {name: _worth(runs, name, families) for name in names}


def _worth(runs: Runs, name: str, families: Sequence[str]) -> Worth:
    fresh, stale = (_arm(name, is_fresh=is_fresh) for is_fresh in (True, False))
    return Worth(
        stale=runs.estimate(stale, REWARD, families),
        gain=gain(runs, fresh, stale, families),
        fallbacks=runs.fallbacks(stale, families),
    )


def _cells(one: Worth) -> list[str]:
    return [f"{-one.stale.value:.4f}", *gain_cells(one.gain), f"{one.fallbacks.get(Why.UNLIKE, 0.0):.1%}"]
