"""The hard rules: where a request may run and where what belongs to it may travel."""

from __future__ import annotations

from meshd.core.candidate import Mask, Reason
from meshd.core.life import Life
from meshd.core.mesh_view import MeshView
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.node_view import NodeView
from meshd.core.privacy import why_not_send, why_not_send_activations
from meshd.core.request import Priority
from meshd.core.settings import Settings

INPUT_STAYS = Reason(mask=Mask.PRIVACY, sentence="the model's manifest keeps its input on the node")
"""Of a whole run on a peer; what crosses a cut may still travel there."""
_QUEUE_FULL = Reason(mask=Mask.QUEUE_FULL, sentence="the queue of this node is full")
_RUN_IT_HERE = Reason(
    mask=Mask.DELEGATED, sentence="a peer asked for it to be run here; only that peer sends it elsewhere"
)


class Rules:
    """Says of one request at one moment what is forbidden, and by which rule."""

    def __init__(
        self, view: MeshView, settings: Settings, life: Life, *, above: DeviceClass | None, is_full: bool
    ) -> None:
        self._view = view
        self._settings = settings
        self._life = life
        self._above = above
        self._is_full = is_full
        self._input_stays = view.hosting.keeps_input(life.request.model)
        self._is_only_for_here = _is_only_for_here(life)
        self._least_rank = 0 if above is None else above.rank + 1
        for wanted in (life.request.min_tier, life.request.start_tier):
            if wanted is not None:
                self._least_rank = max(self._least_rank, wanted.rank)
        self._to_send: dict[str, Reason | None] = {}

    def forbids(self, node: NodeView, hosted: HostedTier) -> Reason | None:
        """Return the first rule that forbids running this tier there, whole."""
        if weak := self.too_weak(hosted):
            return weak
        if node.link is None:
            return self._forbids_input_here(hosted) or self.forbids_here(hosted)
        if self._input_stays or not hosted.raw_input_may_leave:
            return self._class_rule(node) or INPUT_STAYS
        return self.forbids_there(node)

    def forbids_here(self, hosted: HostedTier) -> Reason | None:
        """Return the first rule that forbids running this tier on this node, whole or in part."""
        request = self._life.request
        if request.delegated and self._is_below_floor(self._view.own):
            return self._below_floor(self._view.own)
        if self._is_full:
            return _QUEUE_FULL
        if broken := self._life.broken.get(hosted.artifact):
            return Reason(mask=Mask.SHUNNED, sentence=f"it failed this request here before: {broken}")
        return None

    def forbids_stages_here(self, hosted: HostedTier) -> Reason | None:
        """Return the first rule that forbids running only some stages of this tier on this node."""
        if reason := self.forbids_here(hosted):
            return reason
        if broken := self._life.broken_stages.get(hosted.artifact):
            return Reason(mask=Mask.SHUNNED, sentence=f"stages of it failed this request here before: {broken}")
        return None

    def forbids_there(self, node: NodeView) -> Reason | None:
        """Return the first rule that forbids sending anything of the request to a peer."""
        life, node_id = self._life, node.profile.node_id
        if reason := self._class_rule(node):
            return reason
        if node_id in life.request.via:
            return Reason(mask=Mask.VISITED, sentence=f"{node.profile.name} has had this request before")
        if self._is_only_for_here:
            return _RUN_IT_HERE
        if node_id not in self._view.membership.usable:
            return Reason(mask=Mask.NOT_ALIVE, sentence=self._why_unusable(node))
        if self._is_below_floor(node):
            return self._below_floor(node)
        if shunned := life.shunned.get(node_id):
            return Reason(mask=Mask.SHUNNED, sentence=f"it failed this request before: {shunned}")
        return None

    def forbids_activations(self, node: NodeView, hosted: HostedTier) -> Reason | None:
        """Return the first rule that forbids sending what crosses a cut of this tier to a peer, at any cut."""
        stays = self._input_stays or not hosted.raw_input_may_leave
        if rule := why_not_send_activations(self._life.request.privacy, node.profile.device_class, input_stays=stays):
            return Reason(mask=Mask.PRIVACY, sentence=rule)
        return self.forbids_there(node)

    def too_weak(self, hosted: HostedTier) -> Reason | None:
        """Return the rule that wants a larger tier."""
        request, above, rank = self._life.request, self._above, hosted.tier.rank
        if rank >= self._least_rank:
            return None
        if request.min_tier is not None and rank < request.min_tier.rank:
            return Reason(mask=Mask.TOO_WEAK, sentence=f"the request asks for tier {request.min_tier} or above")
        if above is not None and rank <= above.rank:
            return Reason(mask=Mask.TOO_WEAK, sentence=f"tier {above} has answered and asks for a larger one")
        if request.start_tier is not None and rank < request.start_tier.rank:
            return Reason(mask=Mask.TOO_WEAK, sentence=f"the peer that sent it starts at tier {request.start_tier}")
        return None

    def _forbids_input_here(self, hosted: HostedTier) -> Reason | None:
        return INPUT_STAYS if self._life.request.delegated and not hosted.raw_input_may_leave else None

    def _class_rule(self, node: NodeView) -> Reason | None:
        """Return the privacy rule for a peer of its class; there are four classes and up to a thousand peers."""
        device_class = node.profile.device_class
        if device_class not in self._to_send:
            rule = why_not_send(self._life.request.privacy, device_class)
            self._to_send[device_class] = Reason(mask=Mask.PRIVACY, sentence=rule) if rule else None
        return self._to_send[device_class]

    def _why_unusable(self, node: NodeView) -> str:
        member = self._view.membership[node.profile.node_id]
        session = "" if member.connected else ", and there is no session to it"
        return f"{node.profile.name} is {member.standing}{session}"

    def _is_below_floor(self, node: NodeView) -> bool:
        fraction = node.telemetry.battery_fraction
        if fraction is None or node.telemetry.charging or self._life.request.priority is Priority.EMERGENCY:
            return False
        return fraction < self._settings.battery_floor

    def _below_floor(self, node: NodeView) -> Reason:
        floor = f"{self._settings.battery_floor:.0%}"
        return Reason(mask=Mask.BATTERY, sentence=f"the battery of {node.profile.name} is below its floor of {floor}")


def _is_only_for_here(life: Life) -> bool:
    """Tell whether a peer asked for it to be run here, and nothing of it has been yet."""
    has_run = bool(life.itinerary.hops) or (life.reached is not None and life.reached.attempt is not None)
    return life.request.delegated and not has_run
