"""What a simulator foretold, held against what daemons took, request by request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from meshd.core.node import DeviceClass
from policies.errors import TimingsUnusable
from policies.mesh.question import Heard, Question
from policies.simulator import Ended


class Pair(Struct, frozen=True, kw_only=True):
    """One request, in the mesh and in the simulator."""

    route: str
    """By whom it was asked and run in the mesh."""
    node: DeviceClass
    """Who was asked."""
    tier: DeviceClass
    """Who answered."""
    real_s: float
    simulated_s: float
    is_same_tier: bool
    """Whether the same tier answered in both."""

    @property
    def error(self) -> float:
        """Return how far the simulator was off, as a share of what it took."""
        return abs(self.simulated_s - self.real_s) / self.real_s


class Row(Struct, frozen=True, kw_only=True):
    """Some of the requests together."""

    n_requests: int
    median_error: float
    same_tier: float
    """Share of requests that the same tier answered in both."""
    real_p50_ms: float
    simulated_p50_ms: float
    real_p90_ms: float
    simulated_p90_ms: float


class Comparison(Struct, frozen=True, kw_only=True):
    """All requests that were answered in both."""

    n_asked: int
    n_missed: int
    """In the mesh."""
    n_missed_in_simulator: int
    overall: Row
    nodes: Mapping[str, Row]
    """By who was asked."""
    tiers: Mapping[str, Row]
    """By who answered in the mesh."""
    routes: Mapping[str, Row]
    pairs: tuple[Pair, ...]


def compared(load: Sequence[Question], heard: Sequence[Heard], ended: Iterable[Ended]) -> Comparison:
    """Return how far off a simulator was; ``ended`` are what its ledger says of the same questions.

    Raises:
        TimingsUnusable: none was answered in both.
    """
    foretold = {one.request: one for one in ended}
    pairs = tuple(
        _pair(load[one.number], one, foretold[one.number])
        for one in heard
        if not one.is_missed and not foretold[one.number].is_missed
    )
    if not pairs:
        raise TimingsUnusable(
            f"Of {len(load)} requests that were held out none was answered by the daemons and the simulator both.",
            hint="Give a longer load with --seconds, or try again when the machine has less to do.",
        )
    return Comparison(
        n_asked=len(load),
        n_missed=sum(one.is_missed for one in heard),
        n_missed_in_simulator=sum(one.is_missed for one in foretold.values()),
        overall=_row(pairs),
        nodes=_rows(pairs, lambda pair: pair.node.value),
        tiers=_rows(pairs, lambda pair: pair.tier.value),
        routes=_rows(pairs, lambda pair: pair.route),
        pairs=pairs,
    )


def _pair(question: Question, heard: Heard, ended: Ended) -> Pair:
    assert heard.tier is not None, "only answers are compared"
    return Pair(
        route=heard.route(question.node),
        node=question.node,
        tier=heard.tier,
        real_s=heard.seconds,
        simulated_s=ended.seconds,
        is_same_tier=heard.tier is ended.tier,
    )


def _rows(pairs: Sequence[Pair], kind: Callable[[Pair], str]) -> dict[str, Row]:
    """Return a row for each kind, the most frequent first."""
    kinds: dict[str, list[Pair]] = {}
    for pair in pairs:
        kinds.setdefault(kind(pair), []).append(pair)
    return {name: _row(alike) for name, alike in sorted(kinds.items(), key=lambda entry: -len(entry[1]))}


def _row(pairs: Sequence[Pair]) -> Row:
    real_ms = np.array([pair.real_s for pair in pairs]) * 1e3
    simulated_ms = np.array([pair.simulated_s for pair in pairs]) * 1e3
    return Row(
        n_requests=len(pairs),
        median_error=round(float(np.median([pair.error for pair in pairs])), 4),
        same_tier=round(float(np.mean([pair.is_same_tier for pair in pairs])), 4),
        real_p50_ms=_quantile(real_ms, 0.5),
        simulated_p50_ms=_quantile(simulated_ms, 0.5),
        real_p90_ms=_quantile(real_ms, 0.9),
        simulated_p90_ms=_quantile(simulated_ms, 0.9),
    )


def _quantile(row: NDArray[np.float64], share: float) -> float:
    return round(float(np.quantile(row, share)), 3)
