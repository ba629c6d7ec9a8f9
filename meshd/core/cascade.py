"""The cascade rule: accept a tier's answer, or let a larger model look again."""

from __future__ import annotations

from math import isfinite

from meshd.core.node import HostedTier


def is_malformed(tier: HostedTier, score: float | None) -> bool:
    """Tell whether the score that a tier's rule reads is missing or not finite: there is nothing to judge by then.

    Such an output is never an answer, not even a degraded one: a broken screen must not pass for a calm heart.
    """
    return tier.score_output is not None and (score is None or not isfinite(score))


def escalates(tier: HostedTier, score: float | None) -> bool:
    """Tell whether a well-formed answer must be looked at again by a larger tier.

    A tier with a rule escalates when the score lies in [escalate_low, escalate_high); a rule that was not calibrated
    for this very artifact is void, and then everything escalates.
    """
    if tier.score_output is None or score is None:
        return False
    if not tier.calibrated:
        return True
    return score >= tier.escalate_low and (tier.escalate_high is None or score < tier.escalate_high)


def confidence(score: float | None) -> float | None:
    """Return how sure a binary score in [0, 1] is: max(score, 1 - score)."""
    return None if score is None else max(score, 1.0 - score)
