"""Who looks at a window, whose answer counts, and how windows rank that different tiers answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_registry.tier import Escalation

ANOMALOUS = 0.5
"""Calibrated probability from which a tier that answers alone says anomalous."""


def escalates(rule: Escalation, score: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return bool[windows]: the score lies in [low, high), or is NaN."""
    settled = score < rule.low
    if rule.high is not None:
        settled |= score >= rule.high
    return ~settled


def flags(score: NDArray[np.floating], threshold: float = ANOMALOUS) -> NDArray[np.bool_]:
    """Return bool[windows]: the score says anomalous, or is NaN."""
    return ~(score < threshold)


def alarm_threshold(rule: Escalation | None) -> float:
    """Return the score from which a tier calls a window anomalous: what is too high to be passed on is an alarm."""
    return ANOMALOUS if rule is None or rule.high is None else min(ANOMALOUS, rule.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What the cascade made of each window.

    `score` float64[windows] ranks all windows: the calibrated probability of the last tier that looked.
    """

    score: NDArray[np.float64]
    anomalous: NDArray[np.bool_]
    left_watch: NDArray[np.bool_]
    reached_hub: NDArray[np.bool_]

    @classmethod
    def join(cls, parts: Sequence[Verdicts]) -> Verdicts:
        """Return the verdicts of all parts, in order."""
        return cls(
            score=np.concatenate([part.score for part in parts]),
            anomalous=np.concatenate([part.anomalous for part in parts]),
            left_watch=np.concatenate([part.left_watch for part in parts]),
            reached_hub=np.concatenate([part.reached_hub for part in parts]),
        )


def verdicts(
    watch: NDArray[np.floating],
    phone: NDArray[np.floating],
    hub: NDArray[np.floating],
    watch_rule: Escalation,
    phone_rule: Escalation,
) -> Verdicts:
    """Play the cascade over windows whose score at every tier is known."""
    left_watch = escalates(watch_rule, watch)
    reached_hub = left_watch & escalates(phone_rule, phone)
    by_phone = phone >= alarm_threshold(phone_rule)
    score = np.where(reached_hub, hub, np.where(left_watch, phone, watch)).astype(np.float64)
    return Verdicts(
        score=score,
        anomalous=np.where(reached_hub, flags(hub), left_watch & by_phone),
        left_watch=left_watch,
        reached_hub=reached_hub,
    )
