"""The trade-off between joules and misses, over what a joule weighs.

The owner's prices of seconds and misses, and that of a hidden anomaly, are divided by the weight: then a joule weighs
so many times as much against them. Nothing is trained or tuned anew for other weights. Where a price makes a decision
unlike training the guard hands it to the heuristic, which is counted; low prices never do, for 0 counts as seen.

Joules are told as shares of what the rule takes at weight 1 in the same family: families in which requests take more of
them do not weigh more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from msgspec import Struct
from typing_extensions import override

from meshd.policy.guard import Why
from policies.baselines import DEFAULT
from policies.errors import PoliciesError
from policies.page import Card
from policies.sheet import Sheet
from policies.study.arm import Arm, contenders
from policies.study.curve import Curve
from policies.study.findings import Findings
from policies.study.gain import GAIN_HEADS, Gain, gain, gain_cells
from policies.study.runs import JOULES, MISSES, Estimate, Runs, known
from policies.study.trial import Run
from policies.study.written import bounds, value

WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of a joule, times what it weighs by a world's prices."""
_PLAIN = WEIGHTS.index(1.0)
_EQUAL_HEADS = ("family", "policy", "missed", "by the rule", "fewer, 95 %", "at missed", "fewer joules", "95 %")
_PLAIN_HEADS = ("family", "policy", "rule's mJ", *GAIN_HEADS)
_POINT_HEADS = ("policy", "a joule weighs", "joules", "95 %", "missed", "95 %", "unlike training", "too dear")


class Point(Struct, frozen=True, kw_only=True):
    """A policy at one weight."""

    weight: float
    joules: Estimate
    """Of nodes with a battery, as shares of what the rule takes at weight 1."""
    misses: Estimate
    fallbacks: dict[str, float]
    """Shares of decisions, by why."""


class Equal(Struct, frozen=True, kw_only=True):
    """A policy's curve beside the rule's, at what the rule takes and misses at weight 1."""

    misses: Estimate | None
    """For as many joules; none, here and below, where its curve does not reach so far."""
    rule_misses: Estimate | None
    fewer_misses: Estimate | None
    """Shares of requests; below 0: more."""
    at_misses: float
    """What the rule misses at weight 1."""
    fewer_joules: Estimate | None
    """For as many misses, as a share of the rule's."""
    plain: Gain
    """Over the rule, both at weight 1."""


class Scores(Struct, frozen=True, kw_only=True):
    """All curves of one family, or of all."""

    rule_joules: float
    """At weight 1, for a request."""
    curves: dict[str, list[Point]]
    equal: dict[str, Equal]


class Energy(Findings, frozen=True, kw_only=True):
    """The whole study."""

    families: dict[str, Scores]
    overall: Scores

    title = "What a joule weighs"
    lead = (
        "Prices of seconds and misses are divided by the weight of a joule, and the same worlds are played again;"
        " nothing was trained or tuned anew for that. Joules are of the nodes with a battery, as shares of what the"
        " rule takes at weight 1 in the same family. Curves are compared there, each by its best points with lines"
        " between them; an interval that is said to be of a share is of those redraws whose curves get there. Families"
        " weigh alike."
    )

    @classmethod
    def of(cls, runs: Runs, policy: str, command: str) -> Self:
        """Return the study of what was played, in families whose nodes have batteries.

        Raises:
            PoliciesError: there is no such family.
        """
        scoring = _Scoring(runs, list(contenders(policy)))
        families = [family for family, joules in scoring.rule_joules.items() if joules > 0.0]
        if not families:
            raise PoliciesError("No node with a battery did anything in these families.", hint="Name others.")
        return cls(
            policy=scoring.names[0],
            command=command,
            n_worlds=runs.n_worlds(families),
            families={family: scoring.scores([family]) for family in families},
            overall=scoring.scores(families),
        )

    @override
    def cards(self) -> list[Card]:
        """Return what a policy that is not the rule does at the rule's joules and at its misses."""
        return [card for name, one in self.overall.equal.items() for card in _cards(name, one)]

    @override
    def sheets(self) -> list[Sheet]:
        """Return the comparisons, then the points of the curves."""
        pairs = [
            (family, name, scores.rule_joules, one)
            for family, scores in ({"all families": self.overall} | self.families).items()
            for name, one in scores.equal.items()
        ]
        equal = [[family, name, *_equal_cells(one)] for family, name, _, one in pairs]
        plain = [[family, name, f"{mean * 1e3:.1f}", *gain_cells(one.plain)] for family, name, mean, one in pairs]
        points = [[name, *_point_cells(point)] for name, curve in self.overall.curves.items() for point in curve]
        return [
            Sheet(title="along the curves, over the rule", heads=_EQUAL_HEADS, rows=equal, n_names=2),
            Sheet(title="at weight 1, over the rule", heads=_PLAIN_HEADS, rows=plain, n_names=2),
            Sheet(title="the curves, all families", heads=_POINT_HEADS, rows=points),
        ]


def arms(policy: str) -> list[Arm]:
    """Return each policy at each weight."""
    return [
        Arm(name=_arm(name, weight), contender=contender, price_factor=1.0 / weight)
        for name, contender in contenders(policy).items()
        for weight in WEIGHTS
    ]


def _arm(name: str, weight: float = 1.0) -> str:
    return f"{name} at {weight:g}"


class _Scoring:
    """What is computed of runs."""

    def __init__(self, runs: Runs, names: list[str]) -> None:
        self.names = names
        self._runs = runs

    @cached_property
    def rule_joules(self) -> dict[str, float]:
        """Return what a request takes by the rule at weight 1, by family."""
        return {one: self._runs.estimate(_arm(DEFAULT), JOULES, [one]).value for one in self._runs.families}

    def scores(self, families: Sequence[str]) -> Scores:
        """Return the curves of some families."""
        curves = {name: self._curve(name, families) for name in self.names}
        return Scores(
            rule_joules=self._runs.estimate(_arm(DEFAULT), JOULES, families).value,
            curves={name: self._points(name, curve, families) for name, curve in curves.items()},
            equal={
                name: _equal(curve, curves[DEFAULT], gain(self._runs, _arm(name), _arm(DEFAULT), families))
                for name, curve in curves.items()
                if name != DEFAULT
            },
        )

    def _curve(self, name: str, families: Sequence[str]) -> Curve:
        joules, misses = (
            np.array([self._runs.sample(_arm(name, weight), of, families) for weight in WEIGHTS])
            for of in (self._share, MISSES)
        )
        return Curve(joules=joules, misses=misses)

    def _share(self, run: Run) -> float:
        return run.joules / self.rule_joules[run.family]

    def _points(self, name: str, curve: Curve, families: Sequence[str]) -> list[Point]:
        return [
            Point(
                weight=weight,
                joules=known(curve.joules[at]),
                misses=known(curve.misses[at]),
                fallbacks=self._runs.fallbacks(_arm(name, weight), families),
            )
            for at, weight in enumerate(WEIGHTS)
        ]


def _equal(ours: Curve, rule: Curve, plain: Gain) -> Equal:
    joules, misses = rule.joules[_PLAIN], rule.misses[_PLAIN]
    our_misses, their_misses = ours.misses_at(joules), rule.misses_at(joules)
    return Equal(
        misses=Estimate.of(our_misses),
        rule_misses=Estimate.of(their_misses),
        fewer_misses=Estimate.of(their_misses - our_misses),
        at_misses=float(misses[0]),
        fewer_joules=Estimate.of(1.0 - ours.joules_at(misses) / rule.joules_at(misses)),
        plain=plain,
    )


def _point_cells(point: Point) -> list[str]:
    return [
        f"{point.weight:g}",
        value(point.joules, ".1%"),
        bounds(point.joules, ".1%"),
        value(point.misses, ".2%"),
        bounds(point.misses, ".2%"),
        *(f"{point.fallbacks.get(why, 0.0):.1%}" for why in (Why.UNLIKE, Why.COST)),
    ]


def _equal_cells(one: Equal) -> list[str]:
    return [
        value(one.misses, ".2%"),
        value(one.rule_misses, ".2%"),
        bounds(one.fewer_misses, "+z.2%"),
        f"{one.at_misses:.2%}",
        value(one.fewer_joules, "+z.1%"),
        bounds(one.fewer_joules, "+z.1%"),
    ]


def _cards(name: str, one: Equal) -> list[Card]:
    return [
        Card(
            title=f"{name}, at equal joules",
            figure=f"misses {value(one.misses, '.2%')} vs {value(one.rule_misses, '.2%')}",
            text=f"by the rule, along both curves; fewer, 95 %: {bounds(one.fewer_misses, '+z.2%')}",
        ),
        Card(
            title=f"{name}, at equal misses",
            figure=_fewer(one.fewer_joules),
            text=f"than the rule's, where it misses {one.at_misses:.2%}; 95 %: {bounds(one.fewer_joules, '+z.1%')}",
        ),
    ]


def _fewer(joules: Estimate | None) -> str:
    if joules is None:
        return "no such point"
    return f"{abs(joules.value):.1%} {'fewer' if joules.value >= 0.0 else 'more'} joules"
