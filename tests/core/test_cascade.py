from math import inf, nan

import pytest

from meshd.core.cascade import confidence, escalates, is_malformed
from tests.core.builders import HUB_TIER, WATCH_TIER, tier

SCREEN, LAST = tier(WATCH_TIER), tier(HUB_TIER)


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.0, False), (0.199, False), (0.2, True), (0.5, True), (0.799, True), (0.8, False), (1.0, False)],
)
def test_a_score_escalates_in_the_half_open_band(score: float, expected: bool) -> None:
    assert escalates(SCREEN, score) is expected


@pytest.mark.parametrize(("score", "expected"), [(0.1, False), (0.2, True), (1.0, True)])
def test_a_band_without_an_upper_end_escalates_everything_above_its_lower_one(score: float, expected: bool) -> None:
    assert escalates(tier(WATCH_TIER, escalate_high=None), score) is expected


def test_a_rule_that_was_calibrated_for_another_artifact_escalates_everything() -> None:
    assert escalates(tier(WATCH_TIER, calibrated=False), 0.0)


def test_a_tier_without_a_rule_never_escalates() -> None:
    assert not escalates(LAST, None)


@pytest.mark.parametrize("score", [nan, inf, -inf, None])
def test_a_score_that_is_missing_or_not_finite_is_malformed_where_a_rule_reads_it(score: float | None) -> None:
    assert is_malformed(SCREEN, score)
    assert not is_malformed(LAST, score)


def test_confidence_is_the_distance_from_the_other_answer() -> None:
    assert [confidence(score) for score in (0.1, 0.5, 0.75, None)] == [0.9, 0.5, 0.75, None]
