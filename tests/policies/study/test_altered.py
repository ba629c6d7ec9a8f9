from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meshd.core.candidate import WAIT
from meshd.policy.features import Features
from meshd.policy.guard import Guard
from meshd.policy.layout import N_CANDIDATE, N_CONTEXT, column, context_column
from meshd.policy.record import Limits
from policies.study.altered import Alteration, Altered, altered, narrowed

pytest.importorskip("onnx", reason="needs the convert extra")

from tests.policy.networks import liking, linear, saved

COST, RANK, TIER, TOTAL, PRICE = (
    *map(column, ("cost_joules", "node_rank", "tier_rank", "total_s")),
    context_column("latency_price_watts"),
)


@pytest.fixture
def seen() -> Features:
    """Four candidates, of which the third may not be chosen and the last is the heuristic's; and waiting."""
    candidates = np.zeros((4, N_CANDIDATE), np.float32)
    candidates[:, COST] = [3.0, 2.0, 1.0, 0.0]
    candidates[:, RANK] = [0.9, 0.6, 0.3, 0.0]
    candidates[:, TIER] = [0.1, 0.2, 0.3, 0.0]
    candidates[3, TOTAL] = 7.0
    context = np.full(N_CONTEXT, 5.0, np.float32)
    return Features(candidates, context, (0, 1, 3, WAIT), 3)


def made(folder: Path, alteration: Alteration) -> Altered:
    likes = liking(node_rank=1.0, tier_rank=0.5)
    limits = Limits(relative=0.5, absolute_joules=0.02, tolerance=0.25)
    return altered(str(saved(folder, linear(likes), limits=limits)), alteration)


def test_a_hidden_feature_of_candidates_tells_none_from_another(tmp_path: Path, seen: Features) -> None:
    assert made(tmp_path, Alteration()).decide(seen) == 0
    hiding = made(tmp_path, Alteration(hides=("node_rank", "total_s")))
    shown = hiding.shown(seen).candidates
    assert shown[:, RANK] == pytest.approx([0.6, 0.6, 0.6, 0.0])
    assert shown[:, TOTAL].tolist() == [0.0, 0.0, 0.0, 7.0]
    assert shown[:, TIER].tolist() == seen.candidates[:, TIER].tolist()
    assert hiding.decide(seen) == 3


def test_a_hidden_feature_of_the_decision_is_the_middle_of_what_training_saw(tmp_path: Path, seen: Features) -> None:
    shown = made(tmp_path, Alteration(hides=("latency_price_watts",))).shown(seen)
    assert shown.context[PRICE] == 0.0
    assert np.delete(shown.context, PRICE).tolist() == [5.0] * (N_CONTEXT - 1)
    assert seen.context[PRICE] == 5.0


@pytest.mark.parametrize(("n_ways", "left"), [(1, (3,)), (2, (1, 3)), (4, (0, 1, 3))])
def test_among_fewer_ways_are_the_heuristics_and_the_cheapest_others(
    seen: Features, n_ways: int, left: tuple[int, ...]
) -> None:
    fewer = narrowed(seen, n_ways)
    assert fewer.ways == (*left, WAIT)
    rows = [seen.ways.index(way) for way in fewer.ways]
    assert fewer.candidates.tolist() == seen.candidates[rows].tolist()


def test_the_guard_of_an_altered_policy_has_so_many_times_the_limits_of_its_record(tmp_path: Path) -> None:
    guard = Guard(made(tmp_path, Alteration(margin_factor=2.0, tolerance_factor=0.0)))
    assert guard.limits == Limits(relative=1.0, absolute_joules=0.04, tolerance=0.0)
