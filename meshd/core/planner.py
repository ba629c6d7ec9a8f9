"""Every way to run a request from here: candidates with predictions, and the hard rules that mask some of them."""

from __future__ import annotations

from msgspec.structs import replace

from meshd.core.candidate import Candidate, Mask, Observation, Reason
from meshd.core.cost import NOTHING_ONWARD, CostModel, Onward
from meshd.core.ids import NodeId
from meshd.core.life import Life
from meshd.core.mesh_view import MeshView, NodeView
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.privacy import why_not_send
from meshd.core.request import Priority
from meshd.core.settings import Settings


class Planner:
    """Turns a life and a mesh view into an observation."""

    def __init__(self, view: MeshView, settings: Settings) -> None:
        self._view = view
        self._settings = settings
        self._cost = CostModel(view, settings)

    def observe(self, life: Life, *, above: DeviceClass | None, here_is_full: bool, now: float) -> Observation:
        """Return the decision to take for a request; ``above`` is the tier whose answer escalated, if one did."""
        remaining_s = life.remaining_s(now)
        candidates = [
            replace(candidate, reason=self._forbids(candidate, life, above, here_is_full=here_is_full))
            for candidate in self._predicted(life, remaining_s, now)
        ]
        candidates = _mask_late(candidates, remaining_s)
        if life.request.priority is Priority.EMERGENCY:
            candidates = _mask_less_accurate(candidates)
        return Observation(
            request_id=life.request.request_id,
            decision=life.decision,
            remaining_s=remaining_s,
            priority=life.request.priority,
            candidates=tuple(candidates),
        )

    def _predicted(self, life: Life, remaining_s: float, now: float) -> list[Candidate]:
        """Predict strongest tiers first, for a weaker one pays in part for the cheapest above it.

        The escalation is priced as if it started here. A peer that escalates has a link of its own, which this node
        cannot see; its own answers correct the figure.
        """
        onward: dict[int, Onward] = {}
        candidates: list[Candidate] = []
        hosts = sorted(self._view.hosts_of(life.request.model), key=lambda host: -host[1].tier.rank)
        for node, hosted in hosts:
            above = [rank for rank in onward if rank > hosted.tier.rank]
            following = onward[min(above)] if above else NOTHING_ONWARD
            prediction = self._cost.predict(
                life.request, node, hosted, onward=following, remaining_s=remaining_s, now=now
            )
            candidates.append(
                Candidate(
                    node_id=node.profile.node_id,
                    node=node.profile.name,
                    here=node.link is None,
                    tier=hosted,
                    prediction=prediction,
                )
            )
            rank = hosted.tier.rank
            if self._is_reachable(node) and (rank not in onward or prediction.total_s < onward[rank].seconds):
                onward[rank] = Onward.of(prediction)
        candidates.reverse()
        return candidates

    def _is_reachable(self, node: NodeView) -> bool:
        return node.link is None or self._view.membership.is_usable(node.profile.node_id)

    def _forbids(
        self, candidate: Candidate, life: Life, above: DeviceClass | None, *, here_is_full: bool
    ) -> Reason | None:
        """Return the first hard rule that forbids a candidate."""
        if weak := _too_weak(candidate.tier, life, above):
            return Reason(mask=Mask.TOO_WEAK, sentence=weak)
        if candidate.here:
            full = Reason(mask=Mask.QUEUE_FULL, sentence="the queue of this node is full")
            return full if here_is_full else self._shunned(candidate.node_id, life)
        node = self._view.peer(candidate.node_id)
        assert node is not None, "a candidate comes from the view"
        return self._forbids_sending(node, candidate, life)

    def _forbids_sending(self, node: NodeView, candidate: Candidate, life: Life) -> Reason | None:
        if rule := why_not_send(life.request.privacy, node.profile.device_class):
            return Reason(mask=Mask.PRIVACY, sentence=rule)
        if not candidate.tier.raw_input_may_leave:
            return Reason(mask=Mask.PRIVACY, sentence="the model's manifest keeps its input on the node")
        if candidate.node_id in life.request.via:
            return Reason(mask=Mask.VISITED, sentence=f"{candidate.node} has had this request before")
        if not self._view.membership.is_usable(candidate.node_id):
            return Reason(mask=Mask.NOT_ALIVE, sentence=self._why_unusable(candidate))
        if self._is_below_floor(node) and life.request.priority is not Priority.EMERGENCY:
            floor = f"{self._settings.battery_floor:.0%}"
            return Reason(mask=Mask.BATTERY, sentence=f"the battery of {candidate.node} is below its floor of {floor}")
        return self._shunned(candidate.node_id, life)

    def _shunned(self, node_id: NodeId, life: Life) -> Reason | None:
        why = life.shunned.get(node_id)
        return Reason(mask=Mask.SHUNNED, sentence=f"it failed this request before: {why}") if why else None

    def _why_unusable(self, candidate: Candidate) -> str:
        member = self._view.membership[candidate.node_id]
        return f"{candidate.node} is {member.standing}{'' if member.connected else ', and there is no session to it'}"

    def _is_below_floor(self, node: NodeView) -> bool:
        fraction = node.telemetry.battery_fraction
        return fraction is not None and fraction < self._settings.battery_floor and not node.telemetry.charging


def _too_weak(hosted: HostedTier, life: Life, above: DeviceClass | None) -> str | None:
    wanted = life.request.min_tier
    if wanted is not None and hosted.tier.rank < wanted.rank:
        return f"the request asks for tier {wanted} or above"
    if above is not None and hosted.tier.rank <= above.rank:
        return f"tier {above} has answered and asks for a larger one"
    start = life.request.start_tier
    if start is not None and hosted.tier.rank < start.rank:
        return f"the peer that sent it starts at tier {start}"
    return None


def _mask_late(candidates: list[Candidate], remaining_s: float) -> list[Candidate]:
    """Mask what would be late even if all went well; if that is everything, the soonest stays allowed.

    Predictions can be wrong, and a node that refuses all work for being slow would never learn that it is fast again.
    """
    allowed = [candidate for candidate in candidates if candidate.allowed]
    if not allowed:
        return candidates
    soonest = min(allowed, key=lambda candidate: candidate.prediction.total_s)
    return [
        candidate if candidate is soonest or not candidate.allowed else _unless_late(candidate, remaining_s)
        for candidate in candidates
    ]


def _unless_late(candidate: Candidate, remaining_s: float) -> Candidate:
    best_s = candidate.prediction.total_s - 2.0 * candidate.prediction.deviation_s
    if best_s <= remaining_s:
        return candidate
    sentence = f"it would take {best_s * 1e3:.0f} ms at best, and {remaining_s * 1e3:.0f} ms are left"
    return replace(candidate, reason=Reason(mask=Mask.DEADLINE, sentence=sentence))


def _mask_less_accurate(candidates: list[Candidate]) -> list[Candidate]:
    """Leave an emergency only the most accurate of what is feasible, by the accuracy in the manifests."""
    best = max((c.tier.accuracy for c in candidates if c.allowed), default=0.0)
    sentence = "an emergency takes the most accurate feasible variant"
    worse = Reason(mask=Mask.LESS_ACCURATE, sentence=sentence)
    return [replace(c, reason=worse) if c.allowed and c.tier.accuracy < best else c for c in candidates]
