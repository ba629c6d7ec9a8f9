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
    """Predicts the candidates of one request at one moment; pure arithmetic, no decisions."""

    def __init__(
        self,
        view: MeshView,
        settings: Settings,
        request: Request,
        *,
        wait_here_s: float,
        remaining_s: float,
        now: float,
    ) -> None:
        self._view = view
        self._settings = settings
        self._request = request
        self._wait_here_s = wait_here_s
        self._remaining_s = remaining_s
        self._now = now
        own = view.own
        self._sending_joules = own.profile.power.radio_joules(request.input_bytes, view.radio_wakes(now))
        self._sending_weighted = self._sending_joules * self._weight(own)

    def predict(self, node: NodeView, hosted: HostedTier, onward: Onward) -> Prediction:
        """Return what it takes to start the request with this tier on this node."""
        request, settings, link, now = self._request, self._settings, node.link, self._now
        rate = self._view.escalation_rate(hosted, now)
        item = node.compute_s(hosted, now)
        compute_s = item.mean * request.batch
        load_s = 0.0 if hosted.artifact in node.telemetry.warm else hosted.load_s
        queue_s, transfer_s, link_deviation_s = self._wait_here_s, 0.0, 0.0
        if link is not None:
            queue_s = _wait_there_s(node, link, item.mean, now)
            transfer_s = link.transfer_s(request.input_bytes)
            link_deviation_s = link.deviation_s(request.input_bytes, now)
        escalation_s = rate * onward.seconds
        total_s = queue_s + load_s + compute_s + transfer_s + escalation_s
        deviation_s = hypot(item.deviation(now) * request.batch, link_deviation_s, rate * onward.deviation_s)
        miss = _probability_above(self._remaining_s, total_s, deviation_s)
        joules, weighted = self._joules(node, hosted)
        weighted += rate * onward.weighted_joules
        return Prediction(
            queue_s=queue_s,
            load_s=load_s,
            compute_s=compute_s,
            transfer_s=transfer_s,
            escalation_s=escalation_s,
            deviation_s=deviation_s,
            joules=joules + rate * onward.joules,
            weighted_joules=weighted,
            miss_probability=miss,
            cost=weighted + settings.latency_price_watts * total_s + settings.miss_price_joules * miss,
        )

    def _joules(self, node: NodeView, hosted: HostedTier) -> tuple[float, float]:
        """Return joules on all nodes touched, plain and weighted by where they come from."""
        power, request = node.profile.power, self._request
        there = power.compute_joules(hosted.macs * request.batch)
        if node.link is None:
            return there, there * self._weight(node)
        there += power.radio_joules(request.input_bytes, not node.telemetry.radio_awake)
        return self._sending_joules + there, self._sending_weighted + there * self._weight(node)

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
