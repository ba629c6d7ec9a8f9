"""Every way to run a request from here that may be worth it: candidates with predictions, some masked by hard rules."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from meshd.core.candidate import NOT_PRICED, Candidate, Mask, Observation, Prediction, Reason
from meshd.core.cost import NOTHING_ONWARD, CostModel, Here, Onward
from meshd.core.encodings import is_lossy
from meshd.core.gain import Bars
from meshd.core.hosts import Host
from meshd.core.life import Life
from meshd.core.masking import (
    mask_late,
    mask_less_accurate,
    mask_no_gain,
    mask_other_plans,
    mask_other_tiers,
)
from meshd.core.mesh_view import MeshView
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.node_view import NodeView
from meshd.core.plan import RAW
from meshd.core.request import Priority
from meshd.core.rules import Rules
from meshd.core.settings import Settings
from meshd.core.sharing import Sharer, alike
from meshd.core.splitting import Splitter

__all__ = ["Here", "Planner"]

_MOST_OF_A_TIER = 32
"""Allowed nodes of one tier that are offered, the cheapest: no policy needs the thousandth best hub."""

_EVERY_BIT = "and the asker wants every bit as it is"

_Ruled = tuple[NodeView, HostedTier, Reason | None]


class Planner:
    """Turns a life and a mesh view into an observation."""

    def __init__(self, view: MeshView, settings: Settings) -> None:
        self._view = view
        self._settings = settings

    def observe(self, life: Life, *, above: DeviceClass | None, here: Here, now: float) -> Observation:
        """Return the decision to take for a request; ``above`` is the tier whose answer escalated, if one did."""
        self._view.weigh_doubts(now)
        request, remaining_s = life.request, life.remaining_s(now)
        rules = Rules(self._view, self._settings, life, above=above, is_full=here.is_full)
        cost = CostModel(
            self._view, self._settings, request, here, item_bytes=life.item_bytes, remaining_s=remaining_s, now=now
        )
        ways = _Ways(self._view, rules, cost, life)
        candidates = found = ways.candidates()
        if request.plan and not request.delegated:
            candidates = mask_other_plans(candidates, request.plan)
        if life.only_tier is not None:
            candidates = mask_other_tiers(candidates, life.only_tier)
        candidates = mask_late(candidates, remaining_s)
        if request.priority is Priority.EMERGENCY:
            candidates = mask_less_accurate(candidates)
        if not request.plan:
            candidates = mask_no_gain(candidates, ways.bars if candidates is found else None)
        return Observation(
            request_id=request.request_id,
            decision=life.decision,
            remaining_s=remaining_s,
            priority=request.priority,
            above=above,
            candidates=tuple(candidates),
            alive=here.alive,
            batch=request.batch,
            input_bytes=request.input_bytes,
        )


class _Ways:
    """The candidates of one request at one moment."""

    def __init__(self, view: MeshView, rules: Rules, cost: CostModel, life: Life) -> None:
        self._view = view
        self._rules = rules
        self._cost = cost
        self._life = life
        self._request = life.request
        self._ladder = _Ladder()
        self.bars: Bars | None = None
        """What splits have to beat, where that was asked for."""

    def candidates(self) -> list[Candidate]:
        """Return the rest of what has begun first, then whole runs, the weakest tier first, then what is split."""
        hosts = self._view.hosting.of(self._request.model)
        if self._request.partial is not None:
            return self._rest()
        wholes = self._wholes(hosts.by_tier)
        rest, lossy = self._rest(), self._lossy(wholes) if self._request.lossless else []
        return (
            rest + wholes + lossy + ([] if rest else self._splits(wholes, hosts.here) + self._shares(wholes, hosts.all))
        )

    def _rest(self) -> list[Candidate]:
        reached = self._life.reached
        if reached is None or self._rules.too_weak(reached.tier):
            return []
        return self._splitter(reached.tier).rest(reached)

    def _wholes(self, tiers: Sequence[Sequence[Host]]) -> list[Candidate]:
        """Predict strongest tiers first, for a weaker one pays in part for the soonest above it that may run.

        The escalation is priced as if it started here. A peer that escalates has a link of its own, which this node
        cannot see; its own answers correct the figure.
        """
        candidates: list[Candidate] = []
        for hosts in tiers:
            onward = self._ladder.above(hosts[0][1].tier.rank)
            candidates += [self._whole(*host, onward) for host in self._ruled(hosts)]
        candidates.reverse()
        return candidates

    def _lossy(self, wholes: Sequence[Candidate]) -> list[Candidate]:
        """Return what would be done if some bits might be lost, forbidden."""
        found: list[Candidate] = []
        request = self._request
        for whole in wholes:
            peer = None if whole.here or not whole.allowed else self._view.peer(whole.node_id)
            if peer is not None:
                passage = self._view.input_passage(peer, whole.tier, n_bytes=request.input_bytes, items=request.batch)
                if is_lossy(passage.codec, whole.tier.ways):
                    reason = Reason(mask=Mask.LOSSY, sentence=f"{passage.codec} loses something, {_EVERY_BIT}")
                    found.append(replace(whole, codec=passage.codec, prediction=NOT_PRICED, reason=reason))
        return found

    def _ruled(self, hosts: Sequence[Host]) -> list[_Ruled]:
        """Return nodes of one tier with what forbids them: in a large mesh the cheapest that are allowed, in order.

        What is forbidden and cheaper than these stands between them, so that a person sees why it was passed over.
        """
        if len(hosts) <= _MOST_OF_A_TIER:
            return [(node, hosted, self._rules.forbids(node, hosted)) for node, hosted in hosts]
        kept: dict[int, _Ruled] = {}
        n_allowed = 0
        for index in sorted(range(len(hosts)), key=self._cost.whole_bounds(hosts).__getitem__):
            node, hosted = hosts[index]
            reason = self._rules.forbids(node, hosted)
            n_allowed += reason is None
            if reason is None or len(kept) < 2 * _MOST_OF_A_TIER:
                kept[index] = (node, hosted, reason)
            if n_allowed >= _MOST_OF_A_TIER:
                break
        return [kept[index] for index in sorted(kept)]

    def _whole(self, node: NodeView, hosted: HostedTier, reason: Reason | None, onward: Onward) -> Candidate:
        prediction, codec = NOT_PRICED, RAW
        if reason is None or reason.mask is Mask.DELEGATED:  # Nobody may choose the others, so they are not priced.
            prediction, codec = self._cost.whole(node, hosted, onward)
            self._ladder.offer(hosted.tier.rank, prediction)
        return Candidate(
            node_id=node.profile.node_id,
            node=node.profile.name,
            here=node.link is None,
            tier=hosted,
            prediction=prediction,
            reason=reason,
            codec=codec,
            is_assumed=node.link is not None and not node.link.is_rate_measured,
            is_load_assumed=prediction.load_s > 0.0 and not node.loading.is_measured(hosted, 0, len(hosted.stages)),
        )

    def _splits(self, wholes: Sequence[Candidate], here: Sequence[HostedTier]) -> list[Candidate]:
        """Return splits of what this node hosts itself: a head runs here."""
        found: list[Candidate] = []
        for hosted in here:
            if self._may_split(hosted):
                splitter, named = self._splitter(hosted), self._request.plan
                if named:
                    found += splitter.named(named)
                else:
                    self.bars = self.bars or Bars(wholes)
                    found += splitter.offer(self.bars.of(hosted.tier))
        return found

    def _may_split(self, hosted: HostedTier) -> bool:
        """Tell whether a head may run here and there is anybody for the tail."""
        if not hosted.stages or not self._view.hosting.partners_of(hosted):
            return False
        is_open = any(stage.may_travel for stage in hosted.stages[:-1])
        return is_open and not self._rules.too_weak(hosted) and self._rules.forbids_stages_here(hosted) is None

    def _shares(self, wholes: Sequence[Candidate], hosts: Sequence[Host]) -> list[Candidate]:
        if self._request.batch < 2 or self._request.delegated or self._life.parent is not None:
            return []
        allowed = {(c.node_id, c.tier.tier, c.tier.artifact) for c in wholes if c.allowed}
        runnable = [(node, h) for node, h in hosts if (node.profile.node_id, h.tier, h.artifact) in allowed]
        found: list[Candidate] = []
        for group in alike(runnable):
            sharer, named = Sharer(self._cost, self._ladder.above(group[0][1].tier.rank)), self._request.plan
            found += sharer.named(group, named) if named else sharer.offer(group)
        return found

    def _splitter(self, hosted: HostedTier) -> Splitter:
        return Splitter(self._cost, self._rules, hosted, self._ladder.above(hosted.tier.rank))


class _Ladder:
    """The soonest way to run each tier, as an escalation from below would find it."""

    def __init__(self) -> None:
        self._rungs: dict[int, Prediction] = {}

    def above(self, rank: int) -> Onward:
        """Return what the next larger tier costs; nothing if there is none."""
        if not self._rungs:
            return NOTHING_ONWARD
        higher = [rung for rung in self._rungs if rung > rank]
        return Onward.of(self._rungs[min(higher)]) if higher else NOTHING_ONWARD

    def offer(self, rank: int, prediction: Prediction) -> None:
        """Take in one way to run a tier."""
        rung = self._rungs.get(rank)
        if rung is None or prediction.total_s < rung.total_s:
            self._rungs[rank] = prediction
