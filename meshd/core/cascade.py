"""The cascade rule: accept a tier's answer, or let a larger model look again."""

from __future__ import annotations

from math import isfinite

from meshd.core.node import HostedTier


def escalates(tier: HostedTier, score: float | None, *, malformed: bool) -> bool:
    """Tell whether an answer must be looked at again by a larger tier.

    A tier with a rule escalates when the score lies in [escalate_low, escalate_high); a rule that was not calibrated
    for this very artifact is void, and then everything escalates. An output that is malformed, or
    a score that is missing or not finite, always escalates: a broken screen must never pass for a calm heart.
    """
    if malformed:
        return True
    if tier.score_output is None:
        return False
    if score is None or not isfinite(score) or not tier.calibrated:
        return True
    return score >= tier.escalate_low and (tier.escalate_high is None or score < tier.escalate_high)


def confidence(score: float | None) -> float | None:
    """Return how sure a binary score in [0, 1] is: max(score, 1 - score)."""
    if score is None or not isfinite(score):
        return None
    return max(score, 1.0 - score)
