"""The cascade rule: accept a tier's answer, or let a larger model look again."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

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


def most_doubtful(tier: HostedTier, scores: Sequence[float | None]) -> float | None:
    """Return the score that most wants escalation of those of a batch's parts, as one node would of the whole batch.

    That is the one deepest inside the band, or the one nearest to it; the highest for a tier without a rule, whose
    score is what an alarm reads.
    """
    known = [score for score in scores if score is not None]
    if not known:
        return None
    if tier.score_output is None:
        return max(known)
    high = inf if tier.escalate_high is None else tier.escalate_high
    return max(known, key=lambda score: min(score - tier.escalate_low, high - score))


def confidence(score: float | None) -> float | None:
    """Return how sure a binary score in [0, 1] is: max(score, 1 - score)."""
    return None if score is None else max(score, 1.0 - score)
