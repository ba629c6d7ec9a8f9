"""What requests lose where a model is cold, and the moment at which it is loaded for that.

Charged to one request, loading hardly ever pays; a model that was once pushed out of memory would never come back, and
each request would go a longer way for that. So what each of them loses is added up: by how much its plan costs more
than the best one would, were every model warm. Once as much is lost as loading costs, the model is loaded: here at once
and in the background, so that no request waits for it; at a peer by the next request that goes there, for what was lost
is deducted from the price of loading. Whoever cannot foresee requests can do no better than to have paid, at any time,
at most about twice what would have been best in hindsight. A model that had to make room is loaded again only after as
much is lost again.

Source: the rule for renting or buying, A. Karlin, M. Manasse, L. Rudolph, D. Sleator, "Competitive snoopy caching",
Algorithmica 3 (1988).
"""

from __future__ import annotations

from typing import NamedTuple

from meshd.core.books import Books
from meshd.core.candidate import Candidate, Mask, Observation
from meshd.core.commands import WarmUp
from meshd.core.request import Priority


class Loss(NamedTuple):
    """What a request would rather have had."""

    candidate: Candidate
    joules: float


class Regret:
    """Looks back at each choice."""

    def __init__(self, books: Books) -> None:
        self._view = books.view
        self._commands = books.commands
        self._settings = books.settings

    def look_back(self, observation: Observation, chosen: Candidate, now: float) -> None:
        """Count what this choice loses for want of a model in memory, and load that model if it is enough."""
        for candidate in observation.candidates:
            if candidate.prediction.load_s:
                break
        else:
            return  # Most often: all of them are warm.
        if _is_cold(chosen):
            self._view.made_up(chosen.node_id, chosen.tier.artifact)
        loss = self._loss(observation, chosen)
        if loss is None:
            return
        rather, artifact = loss.candidate, loss.candidate.tier.artifact
        loading = self._view.own.loading
        if rather.here and loading.is_under_way(artifact, now):
            return  # It is paid for.
        lost = self._view.forgo(rather.node_id, artifact, loss.joules)
        if rather.here and lost >= self._loading_cost(rather):
            self._view.made_up(rather.node_id, artifact)
            loading.ask(artifact, rather.prediction.load_s, now)
            self._commands.append(WarmUp(tier=rather.tier))

    def _loss(self, observation: Observation, chosen: Candidate) -> Loss | None:
        """Return the cheapest of what would be cheaper than the chosen one if all that is cold were warm."""
        urgency = observation.priority
        found, least = None, self._cost_warm(chosen, urgency)
        chosen_cost = least
        for candidate in observation.candidates:
            if candidate is not chosen and _is_cold(candidate) and _might_be_chosen(candidate, observation, chosen):
                cost = self._cost_warm(candidate, urgency)
                if cost < least:
                    found, least = candidate, cost
        return None if found is None else Loss(found, chosen_cost - least)

    def _cost_warm(self, candidate: Candidate, priority: Priority) -> float:
        """Return what it would cost without loading. The risk to be late, which loading may be, is left out then."""
        expected, settings = candidate.prediction, self._settings
        if not expected.load_s:
            return expected.cost
        own_cost = settings.price_watts(priority) * (expected.total_s - expected.load_s)
        joules = expected.weighted_joules - expected.load_joules
        return joules + own_cost + settings.latency_price_watts * expected.delay_s

    def _loading_cost(self, candidate: Candidate) -> float:
        return self._settings.latency_price_watts * candidate.prediction.load_s + candidate.prediction.load_joules


def _is_cold(candidate: Candidate) -> bool:
    """Tell whether one node would run it whole, and load it first."""
    return candidate.prediction.load_s > 0.0 and not candidate.legs and not candidate.shares


def _might_be_chosen(candidate: Candidate, observation: Observation, chosen: Candidate) -> bool:
    """Tell whether no rule stands against it but that loading takes too long; a cascade climbs to the chosen tier."""
    if observation.above is not None and candidate.tier.tier is not chosen.tier.tier:
        return False
    if candidate.reason is None:
        return True
    expected = candidate.prediction
    return candidate.reason.mask is Mask.DEADLINE and expected.total_s - expected.load_s <= observation.remaining_s
