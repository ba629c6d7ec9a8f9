"""Choose each tier's escalation rule on held-out patients, so that a stated bound on missed anomalies holds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from model_registry.tier import Bound, Escalation
from model_registry.zoo.ecg.errors import CalibrationError
from model_registry.zoo.ecg.statistics import clopper_pearson_upper, clustered_upper, specificity_threshold

MISSED = 0.05
CONFIDENCE = 0.95
"""The promise: at most this share of anomalies is dismissed, at this confidence."""

WATCH_CALM_SHARE = 0.12
"""Share of calm windows that the watch may pass on: of a stream with 5 % anomalies, at most 16 % then leave."""

PREVALENCE = 0.1
"""Share of anomalous windows in daily life, an assumption: more than a third of the held-out windows are."""

PHONE_CALM_SHARE = 0.05
"""Share of calm windows that reach the hub for all the phone can tell."""

PHONE_FALSE_ALARMS = 0.01
"""Share of calm windows that the phone may call anomalous without asking the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Held-out windows that a tier was shown: its scores float32[windows], their truth, patient and origin."""

    score: NDArray[np.float32]
    truth: NDArray[np.bool_]
    patient: NDArray[np.str_]
    artifact: str
    dataset_sha256: str

    def missed_below(self, low: float) -> NDArray[np.bool_]:
        """Return bool[anomalous windows]: dismissed by this threshold."""
        return self.score[self.truth] < low


def highest_safe(evidence: Evidence) -> float:
    """Return the highest threshold whose upper bound of missed anomalies is at most MISSED.

    Raises: CalibrationError when there are too few anomalies to show it for any threshold.
    """
    positives = np.sort(evidence.score[evidence.truth])
    safe = list(takewhile(lambda misses: _keeps_promise(misses, len(positives)), range(len(positives))))
    if not safe:
        raise CalibrationError(
            f"{len(positives)} anomalous windows are too few to show at most {MISSED:.0%} missed at {CONFIDENCE:.0%}; "
            "at least 59 are needed: hold out more patients"
        )
    return float(positives[safe[-1]])


def _keeps_promise(misses: int, positives: int) -> bool:
    return clopper_pearson_upper(misses, positives, CONFIDENCE) <= MISSED


def rule(evidence: Evidence, *, calm_share: float, high: float | None = None) -> Escalation:
    """Return the rule that passes on at most `calm_share` of the calm windows, or more where the bound demands it."""
    affordable = specificity_threshold(evidence.score, evidence.truth, 1 - calm_share)
    low = min(affordable, highest_safe(evidence))
    if high is not None and high <= low:
        high = None
    inside = (evidence.score >= low) & (evidence.score < (np.inf if high is None else high))
    return Escalation(
        score="anomaly",
        low=low,
        high=high,
        expected_rate=daily_rate(inside, evidence.truth),
        bound=_bound(evidence, low),
    )


def daily_rate(inside: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the share of windows inside the band if PREVALENCE of them were anomalous, not as many as here."""
    return float(PREVALENCE * inside[truth].mean() + (1 - PREVALENCE) * inside[~truth].mean())


def watch_rule(evidence: Evidence) -> Escalation:
    """Return the watch's rule: anomalies and doubts go up."""
    return rule(evidence, calm_share=WATCH_CALM_SHARE)


def phone_rule(evidence: Evidence) -> Escalation:
    """Return the phone's rule: only its doubts go up."""
    high = specificity_threshold(evidence.score, evidence.truth, 1 - PHONE_FALSE_ALARMS)
    return rule(evidence, calm_share=PHONE_CALM_SHARE, high=high)


def _bound(evidence: Evidence, low: float) -> Bound:
    missed = evidence.missed_below(low)
    clustered = clustered_upper(missed, evidence.patient[evidence.truth], CONFIDENCE)
    return Bound(
        missed=clopper_pearson_upper(int(missed.sum()), len(missed), CONFIDENCE),
        confidence=CONFIDENCE,
        method=f"Clopper-Pearson over windows; with whole patients drawn again (bootstrap) {clustered:.3f}",
        measured_missed=float(missed.mean()),
        positives=len(missed),
        dataset_sha256=evidence.dataset_sha256,
        artifact=evidence.artifact,
        records=tuple(np.unique(evidence.patient).tolist()),
    )
