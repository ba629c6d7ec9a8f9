"""What trainings of one recipe gain, each and on average: a single one may have been lucky."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from msgspec import Struct

from policies.evaluation.network import Network
from policies.evaluation.summary import Difference, Rows, difference, mean_difference, mean_reward, rows_of


class Gained(Struct, frozen=True, kw_only=True):
    """What trainings gain over one baseline."""

    baseline: str
    baseline_reward: float
    """On the same worlds."""
    each: dict[str, Difference]
    """By the name that a network played under."""
    mean: Difference
    """Of all of them; the interval is over worlds, and tells nothing of trainings that were not made."""

    @classmethod
    def over(cls, baseline: str, rows: Rows, policies: Sequence[str], families: Sequence[str]) -> Self:
        """Return what some policies gain over a baseline in some families, which weigh alike."""
        theirs, ours = rows_of(rows, baseline, families), {name: rows_of(rows, name, families) for name in policies}
        return cls(
            baseline=baseline,
            baseline_reward=mean_reward(theirs),
            each={name: difference(row, theirs) for name, row in ours.items()},
            mean=mean_difference(list(ours.values()), theirs),
        )


class Trainings(Struct, frozen=True, kw_only=True):
    """Several networks against the same baselines."""

    networks: dict[str, Network]
    """By the name that a network played under."""
    overall: list[Gained]
    """Over each baseline, over all families."""
    families: dict[str, Gained]
    """Over the best baseline there."""

    @classmethod
    def of(cls, networks: Mapping[str, Network], rows: Rows, best: Mapping[str, str], baselines: Sequence[str]) -> Self:
        """Return what networks gain over all baselines, and in each family over the best there."""
        names, families = list(networks), list(best)
        return cls(
            networks=dict(networks),
            overall=[Gained.over(baseline, rows, names, families) for baseline in baselines],
            families={family: Gained.over(baseline, rows, names, [family]) for family, baseline in best.items()},
        )
