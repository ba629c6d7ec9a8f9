"""Every way to run a request from here: candidates with predictions, and the hard rules that mask some of them."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.candidate import NOT_PRICED, Candidate, Mask, Observation, Prediction, Reason
from meshd.core.cost import NOTHING_ONWARD, CostModel, Onward
from meshd.core.life import Life
from meshd.core.mesh_view import MeshView, NodeView
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.privacy import why_not_send
from meshd.core.request import Priority
from meshd.core.settings import Settings

_INPUT_STAYS = Reason(mask=Mask.PRIVACY, sentence="the model's manifest keeps its input on the node")
_QUEUE_FULL = Reason(mask=Mask.QUEUE_FULL, sentence="the queue of this node is full")
_RUN_IT_HERE = Reason(
    mask=Mask.DELEGATED, sentence="a peer asked for it to be run here; only that peer sends it elsewhere"
)


class Here(Struct, frozen=True, kw_only=True):
    """What a request of some urgency would meet on this node."""

    is_full: bool
    wait_s: float


class Planner:
    """Turns a life and a mesh view into an observation."""

    def __init__(self, view: MeshView, settings: Settings) -> None:
        self._view = view
        self._settings = settings

    def observe(self, life: Life, *, above: DeviceClass | None, here: Here, now: float) -> Observation:
        """Return the decision to take for a request; ``above`` is the tier whose answer escalated, if one did."""
        remaining_s = life.remaining_s(now)
        candidates = _mask_late(self._offer(life, above, here, now), remaining_s)
        if life.request.priority is Priority.EMERGENCY:
            candidates = _mask_less_accurate(candidates)
        return Observation(
            request_id=life.request.request_id,
            decision=life.decision,
            remaining_s=remaining_s,
            priority=life.request.priority,
            above=above,
            candidates=tuple(candidates),
        )

    def _offer(self, life: Life, above: DeviceClass | None, here: Here, now: float) -> list[Candidate]:
        """Predict strongest tiers first, for a weaker one pays in part for the soonest above it that may run.

        The escalation is priced as if it started here. A peer that escalates has a link of its own, which this node
        cannot see; its own answers correct the figure.
        """
        cost = CostModel(
            self._view,
            self._settings,
            life.request,
            wait_here_s=here.wait_s,
            remaining_s=life.remaining_s(now),
            now=now,
        )
        ladder = _Ladder()
        candidates: list[Candidate] = []
        for node, hosted in reversed(self._view.hosts_of(life.request.model)):
            reason = self._forbids(node, hosted, life, above, here)
            prediction = NOT_PRICED  # Most of a decision's time goes into prices, and nobody may choose these.
            if reason is None or reason.mask is Mask.DELEGATED:
                prediction = cost.predict(node, hosted, ladder.above(hosted.tier.rank))
                ladder.offer(hosted.tier.rank, prediction)
            candidates.append(
                Candidate(
                    node_id=node.profile.node_id,
                    node=node.profile.name,
                    here=node.link is None,
                    tier=hosted,
                    prediction=prediction,
                    reason=reason,
                )
            )
        candidates.reverse()
        return candidates

    def _forbids(
        self, node: NodeView, hosted: HostedTier, life: Life, above: DeviceClass | None, here: Here
    ) -> Reason | None:
        """Return the first hard rule that forbids running this tier there."""
        if weak := _too_weak(hosted, life, above):
            return Reason(mask=Mask.TOO_WEAK, sentence=weak)
        if node.link is None:
            return self._forbids_here(hosted, life, here)
        return self._forbids_sending(node, hosted, life)

    def _forbids_here(self, hosted: HostedTier, life: Life, here: Here) -> Reason | None:
        request = life.request
        if request.delegated and not hosted.raw_input_may_leave:
            return _INPUT_STAYS
        if request.delegated and self._is_below_floor(self._view.own, request.priority):
            return self._below_floor(self._view.own)
        if here.is_full:
            return _QUEUE_FULL
        if broken := life.broken.get(hosted.artifact):
            return Reason(mask=Mask.SHUNNED, sentence=f"it failed this request here before: {broken}")
        return None

    def _forbids_sending(self, node: NodeView, hosted: HostedTier, life: Life) -> Reason | None:
        request, node_id = life.request, node.profile.node_id
        if rule := why_not_send(request.privacy, node.profile.device_class):
            return Reason(mask=Mask.PRIVACY, sentence=rule)
        if not hosted.raw_input_may_leave or self._view.keeps_input(request.model):
            return _INPUT_STAYS
        if node_id in request.via:
            return Reason(mask=Mask.VISITED, sentence=f"{node.profile.name} has had this request before")
        if request.delegated and not life.itinerary.hops:
            return _RUN_IT_HERE
        if not self._view.membership.is_usable(node_id):
            return Reason(mask=Mask.NOT_ALIVE, sentence=self._why_unusable(node))
        if self._is_below_floor(node, request.priority):
            return self._below_floor(node)
        if shunned := life.shunned.get(node_id):
            return Reason(mask=Mask.SHUNNED, sentence=f"it failed this request before: {shunned}")
        return None

    def _why_unusable(self, node: NodeView) -> str:
        member = self._view.membership[node.profile.node_id]
        session = "" if member.connected else ", and there is no session to it"
        return f"{node.profile.name} is {member.standing}{session}"

    def _is_below_floor(self, node: NodeView, priority: Priority) -> bool:
        fraction = node.telemetry.battery_fraction
        if fraction is None or node.telemetry.charging or priority is Priority.EMERGENCY:
            return False
        return fraction < self._settings.battery_floor

    def _below_floor(self, node: NodeView) -> Reason:
        floor = f"{self._settings.battery_floor:.0%}"
        return Reason(mask=Mask.BATTERY, sentence=f"the battery of {node.profile.name} is below its floor of {floor}")


class _Ladder:
    """The soonest way to run each tier, as an escalation from below would find it."""

    def __init__(self) -> None:
        self._rungs: dict[int, Onward] = {}

    def above(self, rank: int) -> Onward:
        """Return what the next larger tier costs; nothing if there is none."""
        higher = [rung for rung in self._rungs if rung > rank]
        return self._rungs[min(higher)] if higher else NOTHING_ONWARD

    def offer(self, rank: int, prediction: Prediction) -> None:
        """Take in one way to run a tier."""
        if rank not in self._rungs or prediction.total_s < self._rungs[rank].seconds:
            self._rungs[rank] = Onward.of(prediction)


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

    To go well is also not to escalate: what a smaller tier says in time is better than nothing. Predictions can be
    wrong, and a node that refuses all work for being slow would never learn that it is fast again.
    """
    if not any(candidate.reason is None and _best_s(candidate) > remaining_s for candidate in candidates):
        return candidates
    allowed = (candidate for candidate in candidates if candidate.allowed)
    soonest = min(allowed, key=lambda candidate: candidate.prediction.first_s)
    return [
        candidate if candidate is soonest or not candidate.allowed else _unless_late(candidate, remaining_s)
        for candidate in candidates
    ]


def _best_s(candidate: Candidate) -> float:
    return candidate.prediction.first_s - 2.0 * candidate.prediction.deviation_s


def _unless_late(candidate: Candidate, remaining_s: float) -> Candidate:
    best_s = _best_s(candidate)
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
