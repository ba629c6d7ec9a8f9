"""When the heuristic decides in the policy's place, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshd.core.candidate import WAIT
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority
from meshd.policy.features import features
from meshd.policy.guard import Fallback, Guard, Why
from meshd.policy.layout import CANDIDATE, CONTEXT, N_CANDIDATE, column, context_column
from meshd.policy.learned import LearnedPolicy
from meshd.policy.record import Limits
from tests.core.builders import HUB_TIER
from tests.policy.conftest import Ask, Asked

pytest.importorskip("onnx", reason="needs the convert extra")

from tests.policy.networks import OVERFLOWING, WIDE, liking, linear, saved

DEAR = liking(cost_joules=1.0, is_wait=-50.0)
"""Takes whatever is predicted to cost most."""
LOOSE = Limits(relative=1e6, absolute_joules=1e6)


def guard(
    folder: Path, network: bytes, *, limits: Limits | None = None, seen: tuple[list[float], list[float]] = WIDE
) -> Guard:
    return Guard(LearnedPolicy(saved(folder, network, limits=limits, seen=seen)))


def costs(asked: Asked) -> list[float]:
    return [candidate.prediction.cost for candidate in asked[0].candidates]


def seen_in(asked: Asked) -> tuple[list[float], list[float]]:
    """The ranges of a training that saw this one decision."""
    rows, about, *_ = features(*asked)
    return [*rows.min(axis=0).tolist(), *about.tolist()], [*rows.max(axis=0).tolist(), *about.tolist()]


def test_a_choice_within_the_margins_is_the_policys_own(tmp_path: Path, ask: Ask) -> None:
    made, asked = guard(tmp_path, linear(DEAR), limits=LOOSE), ask()
    assert made.choose(*asked) == costs(asked).index(max(costs(asked)))
    assert made.fallback is None
    assert (made.name, made.is_steady) == ("tiny", True)


def test_a_choice_that_is_predicted_to_cost_much_more_is_the_heuristics(tmp_path: Path, ask: Ask) -> None:
    asked = ask()
    dearest, cheapest = max(costs(asked)), min(costs(asked))
    made = guard(tmp_path, linear(DEAR), limits=Limits(relative=0.1, absolute_joules=0.0))
    assert made.choose(*asked) == costs(asked).index(cheapest)
    (label,) = [candidate.label for candidate in asked[0].candidates if candidate.prediction.cost == dearest]
    told = f"{dearest * 1e3:.3g} mJ for {cheapest * 1e3:.3g} mJ"
    assert made.fallback == Fallback(
        why=Why.COST, note=f"tiny wanted the {label}, {told}, so least-expected-cost chose"
    )


@pytest.mark.parametrize(("relative", "share"), [(0.0, 1.01), (1e6, 0.0)], ids=["absolute", "relative"])
def test_either_margin_lets_a_choice_pass(tmp_path: Path, ask: Ask, relative: float, share: float) -> None:
    asked = ask()
    limits = Limits(relative=relative, absolute_joules=share * (max(costs(asked)) - min(costs(asked))))
    made = guard(tmp_path, linear(DEAR), limits=limits)
    assert made.choose(*asked) == costs(asked).index(max(costs(asked)))


def test_a_fallback_is_of_the_latest_choice_alone(tmp_path: Path, ask: Ask) -> None:
    made = guard(tmp_path, linear(DEAR), limits=Limits(relative=0.1, absolute_joules=0.0))
    made.choose(*ask())
    assert made.fallback is not None
    observation, view, now = ask(min_tier=HUB_TIER, priority=Priority.BACKGROUND, deadline_s=30.0)
    made.choose(observation, view, now)
    assert made.fallback is None, "there is one way only, so it cannot be dear"


def test_a_decision_that_training_saw_is_left_to_the_policy(tmp_path: Path, ask: Ask) -> None:
    asked = ask()
    made = guard(tmp_path, linear(DEAR), limits=LOOSE, seen=seen_in(asked))
    made.choose(*asked)
    assert made.fallback is None


@pytest.mark.parametrize("table", ["candidates", "context"])
def test_a_figure_outside_what_training_saw_is_the_heuristics(tmp_path: Path, ask: Ask, table: str) -> None:
    asked = ask()
    low, high = seen_in(asked)
    at = column("tier_accuracy") if table == "candidates" else N_CANDIDATE + context_column("remaining_s")
    high[at] -= 1.0
    low[at] -= 1.0
    made = guard(tmp_path, linear(DEAR), limits=Limits(relative=1e6, tolerance=0.0), seen=(low, high))
    assert made.choose(*asked) == LeastExpectedCost().choose(asked[0])
    name = (*CANDIDATE, *CONTEXT)[at].name
    assert made.fallback == Fallback(
        why=Why.UNLIKE, note=f"tiny met {name} unlike any in training, so least-expected-cost chose"
    )


def test_a_little_outside_is_tolerated(tmp_path: Path, ask: Ask) -> None:
    asked = ask()
    low, high = seen_in(asked)
    high[N_CANDIDATE + context_column("remaining_s")] -= 0.2
    made = guard(tmp_path, linear(DEAR), limits=Limits(relative=1e6, tolerance=0.25), seen=(low, high))
    made.choose(*asked)
    assert made.fallback is None


def test_a_network_that_says_nothing_is_passed_over(tmp_path: Path, ask: Ask) -> None:
    made, asked = guard(tmp_path, linear(OVERFLOWING)), ask()
    assert made.choose(*asked) == LeastExpectedCost().choose(asked[0])
    assert made.fallback is not None
    assert made.fallback.why is Why.FAILED


def test_waiting_is_held_to_the_bounds_of_core_alone(tmp_path: Path, ask: Ask) -> None:
    strict = Limits(relative=0.0, absolute_joules=0.0)
    made = guard(tmp_path, linear(liking(is_wait=9.0)), limits=strict)
    assert made.choose(*ask(priority=Priority.BACKGROUND, deadline_s=30.0)) == WAIT
    assert made.fallback is None
