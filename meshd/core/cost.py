"""What a candidate would take, in seconds and joules, its escalations included."""

from __future__ import annotations

from math import erfc, hypot, sqrt

from msgspec import Struct

from meshd.core.candidate import Prediction
from meshd.core.mesh_view import Link, MeshView, NodeView
from meshd.core.node import HostedTier
from meshd.core.request import Request
from meshd.core.settings import Settings


class Onward(Struct, frozen=True, kw_only=True):
    """The expected price of everything that follows if a tier escalates."""

    seconds: float = 0.0
    deviation_s: float = 0.0
    joules: float = 0.0
    weighted_joules: float = 0.0

    @classmethod
    def of(cls, prediction: Prediction) -> Onward:
        """Escalating means to pay for this prediction as well."""
        return cls(
            seconds=prediction.total_s,
            deviation_s=prediction.deviation_s,
            joules=prediction.joules,
            weighted_joules=prediction.weighted_joules,
        )


NOTHING_ONWARD = Onward()


class CostModel:
    """Predicts candidates from a mesh view; pure arithmetic, no decisions."""

    def __init__(self, view: MeshView, settings: Settings) -> None:
        self._view = view
        self._settings = settings

    def predict(
        self,
        request: Request,
        node: NodeView,
        hosted: HostedTier,
        *,
        onward: Onward,
        wait_here_s: float,
        remaining_s: float,
        now: float,
    ) -> Prediction:
        """Return what it takes to start the request with this tier on this node."""
        rate = self._view.escalation_rate(hosted)
        compute = node.compute_s(hosted, now)
        queue_s = wait_here_s if node.link is None else _wait_there_s(node, node.link, compute.mean, now)
        load_s = 0.0 if hosted.artifact in node.telemetry.warm else hosted.load_s
        compute_s = compute.mean * request.batch
        transfer_s = node.link.transfer_s(request.input_bytes) if node.link else 0.0
        link_deviation_s = node.link.deviation_s(request.input_bytes, now) if node.link else 0.0
        deviation_s = hypot(compute.deviation(now) * request.batch, link_deviation_s, rate * onward.deviation_s)
        joules, weighted = self._joules(request, node, hosted, now)
        weighted += rate * onward.weighted_joules
        total_s = queue_s + load_s + compute_s + transfer_s + rate * onward.seconds
        miss = _probability_above(remaining_s, total_s, deviation_s)
        return Prediction(
            queue_s=queue_s,
            load_s=load_s,
            compute_s=compute_s,
            transfer_s=transfer_s,
            escalation_s=rate * onward.seconds,
            deviation_s=deviation_s,
            joules=joules + rate * onward.joules,
            weighted_joules=weighted,
            miss_probability=miss,
            cost=weighted + self._settings.latency_price_watts * total_s + self._settings.miss_price_joules * miss,
        )

    def _joules(self, request: Request, node: NodeView, hosted: HostedTier, now: float) -> tuple[float, float]:
        """Return joules on all nodes touched, plain and weighted by where they come from."""
        there = node.profile.power.compute_joules(hosted.macs * request.batch)
        if node.link is None:
            return there, there * self._weight(node)
        own_radio = self._view.own.profile.power.radio_joules(request.input_bytes, self._view.radio_wakes(now))
        there += node.profile.power.radio_joules(request.input_bytes, int(not node.telemetry.radio_awake))
        return own_radio + there, own_radio * self._weight(self._view.own) + there * self._weight(node)

    def _weight(self, node: NodeView) -> float:
        on_mains = node.profile.power.battery_joules is None or node.telemetry.charging
        return self._settings.mains_joule_weight if on_mains else 1.0


def _wait_there_s(node: NodeView, link: Link, compute_s: float, now: float) -> float:
    """Return the wait at a peer: what it said, less the time since; or what we know we sent, if that is more."""
    said_s = max(0.0, node.telemetry.backlog_s - (now - node.heard_s))
    return max(said_s, link.outstanding * compute_s / node.profile.slots)


def _probability_above(limit_s: float, mean_s: float, deviation_s: float) -> float:
    """Return P(X > limit) for a normal X; a certain X is above or it is not."""
    if deviation_s <= 0.0:
        return float(mean_s > limit_s)
    return 0.5 * erfc((limit_s - mean_s) / (deviation_s * sqrt(2.0)))
