"""How long to wait for a peer, and how much time to give it."""

from __future__ import annotations

from meshd.core.candidate import Candidate, Mask, Observation, Prediction
from meshd.core.life import Life
from meshd.core.settings import Settings

_MARGIN = 0.05
"""Share of the deadline kept back, at most _MARGIN_MOST_S, so that a degraded answer still arrives in time."""
_MARGIN_MOST_S = 0.02


def margin_s(deadline_s: float) -> float:
    """Return the seconds before a deadline at which a smaller answer is given rather than none."""
    return min(_MARGIN * deadline_s, _MARGIN_MOST_S)


def seconds_there(remaining_s: float, expected: Prediction) -> float:
    """Return the deadline to give a peer: its clock starts when the input has come, and the answer has to travel."""
    kept_back_s = margin_s(remaining_s)
    return max(remaining_s - kept_back_s - expected.transfer_s, kept_back_s)


def patience_s(settings: Settings, observation: Observation, chosen: Candidate) -> float:
    """Return how long to wait for a peer: what was predicted, several times over.

    The floor grows with every tier above the chosen one, so that a peer that waits for a frozen larger one gives up
    first, and its own answer still finds us waiting.
    """
    expected = chosen.prediction
    above = {c.tier.tier for c in observation.candidates if c.tier.tier.rank > chosen.tier.tier.rank}
    floor_s = settings.patience_floor_s * (1 + len(above))
    return max(settings.patience_factor * expected.total_s + 3.0 * expected.deviation_s, floor_s)


def wait_s(settings: Settings, life: Life, chosen: Candidate) -> float:
    """Return how long to wait for a peer before looking elsewhere; without any answer yet, until the last call."""
    assert life.choice is not None, "a candidate was chosen"
    observation = life.choice.observation
    patient_s = patience_s(settings, observation, chosen)
    return patient_s if life.given is not None else min(patient_s, last_call_s(observation, chosen))


def last_call_s(observation: Observation, chosen: Candidate) -> float:
    """Return after how long there would be just enough time for another way; infinity if that is no limit.

    It is none where there is no other way, nor where waiting for the chosen one at all leaves no time for another.
    """
    others = (
        candidate.prediction.first_s + 2.0 * candidate.prediction.deviation_s
        for candidate in observation.candidates
        if candidate.node_id != chosen.node_id and _may_serve(candidate)
    )
    remaining_s = observation.remaining_s
    limit_s = remaining_s - margin_s(remaining_s) - min(others, default=remaining_s)
    return limit_s if limit_s >= chosen.prediction.total_s else float("inf")


def _may_serve(candidate: Candidate) -> bool:
    """Tell whether a candidate may be run, if need be after the more accurate ones have failed an emergency."""
    return candidate.reason is None or candidate.reason.mask is Mask.LESS_ACCURATE
