"""What parts of a policy and of its guard are worth, as far as that can be had without training anew.

A network whose features are hidden was trained with them, and relies on them. So what hiding costs says what the
network goes by; to one that is trained without them they may be worth less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from msgspec import Struct
from typing_extensions import override

from meshd.policy.guard import Why
from policies.baselines import BASELINES
from policies.errors import NoPolicy
from policies.evaluation.contender import Contender
from policies.page import Card
from policies.sheet import Sheet
from policies.study.altered import Alteration
from policies.study.arm import RULES, Arm
from policies.study.feature_groups import GROUPS
from policies.study.findings import Findings
from policies.study.gain import GAIN_HEADS, Gain, gain, gain_cells
from policies.study.runs import REWARD, Estimate, Runs
from policies.study.written import bounds, value

WHOLE = "as it is served"
UNGUARDED = "no guard"
_NO_BOUND = 1e9
_HEADS = ("what is changed", "J a request", *GAIN_HEADS, "unlike training", "too dear")

GUARD: Mapping[str, Alteration] = {
    "margins of cost: 0": Alteration(margin_factor=0.0),
    "margins of cost: a quarter": Alteration(margin_factor=0.25),
    "margins of cost: fourfold": Alteration(margin_factor=4.0),
    "margins of cost: none": Alteration(margin_factor=_NO_BOUND),
    "ranges seen: exactly": Alteration(tolerance_factor=0.0),
    "ranges seen: any": Alteration(tolerance_factor=_NO_BOUND),
}
"""Other limits of the guard."""
WAYS: Mapping[str, Alteration] = {
    "ways: the rule's, waiting": Alteration(n_ways=1),
    "ways: 2, waiting": Alteration(n_ways=2),
    "ways: 3, waiting": Alteration(n_ways=3),
}
"""Fewer to choose among; more it was never shown."""
HIDDEN: Mapping[str, Alteration] = {f"hidden: {name}": Alteration(hides=hides) for name, hides in GROUPS.items()}


class Ablation(Struct, frozen=True, kw_only=True):
    """One arm."""

    reward: Estimate
    gain: Gain
    """Over the policy as it is served: below 0 is what the part was worth."""
    fallbacks: dict[str, float]
    """Shares of decisions, by why."""


class Ablations(Findings, frozen=True, kw_only=True):
    """The whole study, by what is changed."""

    arms: dict[str, Ablation]
    families: dict[str, dict[str, Gain]]

    title = "What parts of a policy are worth"
    lead = (
        "One thing is changed at a time, with nothing trained anew. Hidden features of candidates are their mean over"
        " what may be chosen, those of the decision the middle of what training saw; the guard sees them as they are. A"
        " network relies on what it was trained with: to one trained without it may be worth less. Gains are over the"
        " policy as it is served, of a request; joules are of the nodes with a battery. Families weigh alike."
    )

    @classmethod
    def of(cls, runs: Runs, policy: str, command: str) -> Self:
        """Return the study of what was played."""
        names = [arm.name for arm in arms(policy)]
        return cls(
            policy=Path(policy).stem,
            command=command,
            n_worlds=runs.n_worlds(runs.families),
            arms={name: _ablation(runs, name) for name in names},
            families={
                family: {name: gain(runs, name, WHOLE, [family]) for name in names if name != WHOLE}
                for family in runs.families
            },
        )

    @override
    def cards(self) -> list[Card]:
        """Return what the guard costs, and which features are missed most."""
        guard, most = self.arms[UNGUARDED].gain, min(HIDDEN, key=lambda name: self.arms[name].gain.reward.value)
        return [
            Card(
                title="without its guard",
                figure=value(guard.share, "+z.1%"),
                text=f"of what a request costs; 95 %: {bounds(guard.share, '+z.1%')}; below 0 the guard gains",
            ),
            Card(
                title=f"{most}, which is missed most",
                figure=value(self.arms[most].gain.share, "+z.1%"),
                text=f"of what a request costs; 95 %: {bounds(self.arms[most].gain.share, '+z.1%')}",
            ),
        ]

    @override
    def sheets(self) -> list[Sheet]:
        """Return one table."""
        rows = [[name, *_cells(one)] for name, one in self.arms.items()]
        return [Sheet(title=f"{self.policy} with one thing changed", heads=_HEADS, rows=rows)]


def arms(policy: str) -> list[Arm]:
    """Return the policy as it is served, and with each thing changed; the rules at the end.

    Raises:
        NoPolicy: it is a rule, which has no parts.
    """
    if policy in BASELINES:
        raise NoPolicy(f"{policy} is a rule and has no parts.", hint="Name the file of a learned policy.")
    return [*_altered(policy), *(Arm(name=name, contender=Contender(name=name)) for name in RULES)]


def _altered(policy: str) -> Iterator[Arm]:
    yield Arm(name=WHOLE, contender=Contender(name=policy))
    yield Arm(name=UNGUARDED, contender=Contender(name=policy, is_guarded=False))
    for name, alteration in {**GUARD, **WAYS, **HIDDEN}.items():
        yield Arm(name=name, contender=Contender(name=policy), alteration=alteration)


def _ablation(runs: Runs, name: str) -> Ablation:
    return Ablation(
        reward=runs.estimate(name, REWARD, runs.families),
        gain=gain(runs, name, WHOLE, runs.families),
        fallbacks=runs.fallbacks(name, runs.families),
    )


def _cells(one: Ablation) -> list[str]:
    fallbacks = [f"{one.fallbacks.get(why, 0.0):.1%}" for why in (Why.UNLIKE, Why.COST)]
    return [f"{-one.reward.value:.4f}", *gain_cells(one.gain), *fallbacks]
