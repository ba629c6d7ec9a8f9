"""The daemon's rule with foresight: risk that is not all or nothing, a price on charge, and patience."""

from __future__ import annotations

from math import erfc, hypot, inf, sqrt

from msgspec import Struct

from meshd.core.candidate import WAIT, Candidate, Observation, Prediction
from meshd.core.mesh_view import MeshView
from meshd.core.node_view import NodeView
from meshd.core.request import Priority
from policies.baselines.rungs import allowed, least, next_rung


class ProvidentParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be tuned; with these defaults it is the daemon's rule."""

    risk_spread: float = 0.0
    """Standard deviation of the true seconds as a share of the predicted, beyond what the prediction says."""
    risk_price: float = 1.0
    """What the probability to miss counts, in miss prices."""
    battery_price: float = 0.0
    """A joule of an empty battery costs so many more; of a full one nothing more."""
    delay_price: float = 1.0
    """What seconds count by which others are delayed, in latency prices."""
    load_price: float = 0.0
    """What a second of loading costs beyond its time, in latency prices: it drives another model out."""
    wait_gain: float = 0.0
    """Waits if what a waking of the radio takes, times this, is more than the price of the expected wait."""
    wait_above_joules: float = inf
    """Waits if the best way is predicted to cost more: another moment may be cheaper, whatever is dear in this one."""
    climbs: bool = True
    """Whether a cascade climbs one tier at a time."""


class Provident:
    """Take the least expected cost, corrected; the strongest hand-made rule known here.

    Source: the sum of the heuristics of this project's prototype: myopic cost, deferral, soft miss risk and a battery
    shadow price (a Lagrange multiplier of the charge, as in Lyapunov offloading: Mao, Zhang and Letaief 2016, JSAC).
    """

    name = "provident"
    is_steady = False  # A wait depends on the clock.

    def __init__(self, parameters: ProvidentParameters) -> None:
        self._parameters = parameters

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the index of the cheapest allowed candidate, or WAIT."""
        indices = next_rung(observation) if self._parameters.climbs else allowed(observation)
        costs = [self._cost(observation.candidates[index], observation.remaining_s, view) for index in indices]
        best = least(indices, costs)
        if observation.wait_s is not None:
            chosen = observation.candidates[best]
            if self._is_dear(chosen) or self._may_gain(chosen, observation.wait_s, view, now):
                return WAIT
        return best

    def _cost(self, candidate: Candidate, remaining_s: float, view: MeshView) -> float:
        parameters, prediction, settings = self._parameters, candidate.prediction, view.settings
        miss = parameters.risk_price * self._risk(prediction, remaining_s) - prediction.miss_probability
        further_s = (parameters.delay_price - 1.0) * prediction.delay_s + parameters.load_price * prediction.load_s
        charge = self._charge_price(candidate, view) if parameters.battery_price else 0.0
        return prediction.cost + miss * settings.miss_price_joules + further_s * settings.latency_price_watts + charge

    def _risk(self, prediction: Prediction, remaining_s: float) -> float:
        """Return the probability to be late if predictions are as much further off as was tuned."""
        spread = self._parameters.risk_spread
        if not spread:
            return prediction.miss_probability
        deviation_s = max(1e-9, hypot(prediction.deviation_s, spread * prediction.total_s))
        return 0.5 * erfc((remaining_s - prediction.total_s) / (deviation_s * sqrt(2.0)))

    def _charge_price(self, candidate: Candidate, view: MeshView) -> float:
        """Return what its joules cost beyond themselves, by how empty the batteries are that give them."""
        prediction, price = candidate.prediction, self._parameters.battery_price
        others = None if candidate.here else view.peer(candidate.node_id)
        own = prediction.own_joules * _emptiness(view.own)
        their = (prediction.joules - prediction.own_joules) * (_emptiness(others) if others is not None else 0.0)
        return price * (own + their)

    def _is_dear(self, best: Candidate) -> bool:
        return best.prediction.cost > self._parameters.wait_above_joules

    def _may_gain(self, best: Candidate, wait_s: float, view: MeshView, now: float) -> bool:
        """Tell whether a radio that sleeps is likely to wake by itself soon enough to share its waking."""
        gain, power = self._parameters.wait_gain, view.own.profile.power
        if not gain or best.here or not view.radio.wakes(now):
            return False
        recent = view.radio.recent
        expected_s = min(wait_s, recent.fades_in_s / max(recent.at(now), 1e-9))
        return gain * power.radio_wake_joules > view.settings.price_watts(Priority.BACKGROUND) * expected_s


def _emptiness(node: NodeView) -> float:
    """Return 0 on the mains or full, 1 empty."""
    fraction = node.telemetry.battery_fraction
    return 0.0 if fraction is None or node.telemetry.charging else 1.0 - fraction
