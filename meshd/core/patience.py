"""How long to wait for a peer, and how much time to give it."""

from __future__ import annotations

from collections.abc import Collection
from math import inf

from meshd.core.candidate import Candidate, Mask, Observation
from meshd.core.ids import NodeId
from meshd.core.life import Life
from meshd.core.node import HostedTier
from meshd.core.plan import Leg
from meshd.core.settings import Settings
from meshd.core.trip import Trip

_MARGIN = 0.05
"""Share of the deadline kept back, at most _MARGIN_MOST_S, so that a degraded answer still arrives in time."""
_MARGIN_MOST_S = 0.02

_UNSURE = 2.0
"""The rest of a plan is taken to need twice what was predicted when it has to be run here in a hurry: two standard
deviations of a figure that nobody has measured."""


def margin_s(deadline_s: float) -> float:
    """Return the seconds before a deadline at which a smaller answer is given rather than none."""
    return min(_MARGIN * deadline_s, _MARGIN_MOST_S)


def end_s(life: Life) -> float:
    """Return when a request has to end: at its deadline, or a little before it if an answer is at hand."""
    return life.deadline_s if life.given is None else life.deadline_s - margin_s(life.request.deadline_s)


def seconds_there(remaining_s: float, transfer_s: float) -> float:
    """Return the deadline to give a peer: its clock starts when the input has come, and the answer has to travel."""
    kept_back_s = margin_s(remaining_s)
    return max(remaining_s - kept_back_s - transfer_s, kept_back_s)


def patience_s(settings: Settings, observation: Observation, chosen: Candidate) -> float:
    """Return how long to wait for a peer: what was predicted, several times over.

    The floor grows with every tier above the chosen one, so that a peer that waits for a frozen larger one gives up
    first, and its own answer still finds us waiting.
    """
    expected = chosen.prediction
    above = {c.tier.tier for c in observation.candidates if c.tier.tier.rank > chosen.tier.tier.rank}
    floor_s = settings.patience_floor_s * (1 + len(above))
    return max(settings.patience_factor * expected.total_s + 3.0 * expected.deviation_s, floor_s)


def wait_s(life: Life, trip: Trip) -> float:
    """Return how long to wait for a peer before looking elsewhere; without any answer yet, until the last call."""
    assert life.choice is not None, "a candidate was chosen"
    if life.given is not None or trip.elsewhere_s == inf:
        return trip.patience_s
    remaining_s, total_s = life.choice.observation.remaining_s, trip.candidate.prediction.total_s
    return min(trip.patience_s, last_moment_s(remaining_s, trip.elsewhere_s, total_s))


def wait_for_all_s(settings: Settings, life: Life, racing: Collection[Candidate]) -> float:
    """Return how long to wait for the first of several that race: none is given up while another may still win."""
    assert life.choice is not None, "a candidate was chosen"
    observation = life.choice.observation
    patient_s = max(patience_s(settings, observation, candidate) for candidate in racing)
    soonest = min(racing, key=lambda candidate: candidate.prediction.total_s)
    tried = {candidate.node_id for candidate in racing}
    return min(patient_s, last_call_s(observation, soonest, tried=tried))


def wait_for_rest_s(settings: Settings, life: Life, legs: tuple[Leg, ...], now: float, *, line_s: float = 0.0) -> float:
    """Return how long to wait for a peer that was given the rest of a plan, behind what it was sent before.

    The way out is to run that rest here, where the tensors still are. The floor grows with every leg behind the first,
    so that a peer that waits for a frozen one gives up first, and may still run its rest itself.
    """
    expected_s = line_s + sum(leg.transfer_s + leg.compute_s for leg in legs)
    patient_s = max(settings.patience_factor * expected_s, settings.patience_floor_s * len(legs))
    if life.reached is None:
        return patient_s
    rest_here_s = _UNSURE * life.request.batch * _item_s(life, life.reached.tier, legs[0].first)
    remaining_s = life.remaining_s(now)
    limit_s = remaining_s - margin_s(remaining_s) - rest_here_s
    return min(patient_s, limit_s) if limit_s >= expected_s else patient_s


def _item_s(life: Life, tier: HostedTier, first: int) -> float:
    """Return what one item takes from a stage on, as this node announces it."""
    return sum(
        tier.stages[stage].compute_s * tier.stage_growth_at(stage, life.item_bytes)
        for stage in range(first, len(tier.stages))
    )


def last_call_s(observation: Observation, chosen: Candidate, *, tried: Collection[NodeId] = ()) -> float:
    """Return after how long there would be just enough time for another way; infinity if that is no limit.

    It is none where there is no other way, nor where waiting for the chosen one at all leaves no time for another,
    unless that one is expected too late anyway.
    """
    way_out_s = elsewhere_s(observation, tried or (chosen.node_id,))
    return last_moment_s(observation.remaining_s, way_out_s, chosen.prediction.total_s)


def last_moment_s(remaining_s: float, way_out_s: float, total_s: float) -> float:
    """Return the same where the other way takes so long, and the chosen one is predicted to take ``total_s``."""
    limit_s = remaining_s - margin_s(remaining_s) - way_out_s
    is_expected_late = total_s > remaining_s and limit_s > 0.0
    return limit_s if limit_s >= total_s or is_expected_late else inf


def elsewhere_s(observation: Observation, tried: Collection[NodeId]) -> float:
    """Return how long the soonest other way would take, with a margin; infinity where there is none."""
    others = (
        candidate.prediction.first_s + 2.0 * candidate.prediction.deviation_s
        for candidate in observation.candidates
        if candidate.node_id not in tried and _may_serve(candidate)
    )
    return min(others, default=inf)


def _may_serve(candidate: Candidate) -> bool:
    """Tell whether a candidate may be run, if need be after the more accurate ones have failed an emergency."""
    return candidate.reason is None or candidate.reason.mask is Mask.LESS_ACCURATE
