"""A learned policy that is shown less, or held tighter or looser, than it was trained for; nothing is learned anew."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from typing_extensions import override

from meshd.core.candidate import WAIT
from meshd.policy.features import Features
from meshd.policy.layout import CANDIDATE, CONTEXT, Feature, column
from meshd.policy.learned import LearnedPolicy
from meshd.policy.record import Limits
from meshd.policy.served import SHIPPED, SHIPPED_PATH

_COST = column("cost_joules")


class Alteration(Struct, frozen=True, kw_only=True):
    """What is changed about it."""

    hides: tuple[str, ...] = ()
    """Features that tell it nothing: those of candidates are their mean over what may be chosen, so that they no longer
    tell one from another, and those of the decision the middle of what training saw."""
    n_ways: int | None = None
    """It chooses among so many at most, the heuristic's choice among them, and waiting; none: among all."""
    margin_factor: float = 1.0
    """So many times the guard's margins of cost."""
    tolerance_factor: float = 1.0
    """So many times as far may figures lie outside of what training saw."""

    def limits(self, recorded: Limits) -> Limits:
        """Return the guard's limits."""
        return Limits(
            relative=self.margin_factor * recorded.relative,
            absolute_joules=self.margin_factor * recorded.absolute_joules,
            tolerance=self.tolerance_factor * recorded.tolerance,
        )


class Altered(LearnedPolicy):
    """A network behind an alteration; the guard sees every decision as it is."""

    def __init__(self, path: Path, alteration: Alteration) -> None:
        super().__init__(path)
        record = self.record
        self.record = replace(record, limits=alteration.limits(record.limits))
        self._n_ways = alteration.n_ways
        self._candidate_columns = _columns(CANDIDATE, alteration.hides)
        self._context_columns = _columns(CONTEXT, alteration.hides)
        hidden = [record.context[CONTEXT[at].name] for at in self._context_columns]
        self._middles = np.array([(low + high) / 2.0 for low, high in hidden], np.float32)

    @override
    def decide(self, seen: Features) -> int:
        return super().decide(self.shown(seen))

    def shown(self, seen: Features) -> Features:
        """Return what the network is given of a decision."""
        seen = seen if self._n_ways is None else narrowed(seen, self._n_ways)
        candidates, context = seen.candidates.copy(), seen.context.copy()
        cells = np.ix_(np.array(_candidate_rows(seen)), self._candidate_columns)
        candidates[cells] = candidates[cells].mean(axis=0)
        context[self._context_columns] = self._middles
        return seen._replace(candidates=candidates, context=context)


def narrowed(seen: Features, n_ways: int) -> Features:
    """Return a decision between fewer ways: the heuristic's choice, the cheapest others by prediction, and waiting."""
    rule = seen.ways.index(seen.rule)
    others = [row for row in _candidate_rows(seen) if row != rule]
    others.sort(key=lambda row: float(seen.candidates[row, _COST]))
    waits = [row for row, way in enumerate(seen.ways) if way == WAIT]
    rows = sorted([rule, *others[: n_ways - 1], *waits])
    return seen._replace(candidates=seen.candidates[rows], ways=tuple(seen.ways[row] for row in rows))


def _candidate_rows(seen: Features) -> list[int]:
    return [row for row, way in enumerate(seen.ways) if way != WAIT]


@cache
def altered(name: str, alteration: Alteration) -> Altered:
    """Return the shipped policy or that of a path, altered; opened once for all nodes of a process.

    Raises:
        PolicyUnusable: it cannot be run.
    """
    return Altered(SHIPPED_PATH if name == SHIPPED else Path(name), alteration)


def _columns(table: tuple[Feature, ...], names: tuple[str, ...]) -> NDArray[np.intp]:
    return np.array([at for at, feature in enumerate(table) if feature.name in names], np.intp)
