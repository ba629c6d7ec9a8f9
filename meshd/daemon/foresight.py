"""Answers where a request would run, from what this node knows, and runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator

import msgspec

from meshd.core.candidate import Candidate
from meshd.core.forks import soonest_rival
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.mesh_view import MeshView
from meshd.core.misplaced import places
from meshd.core.node_view import NodeView
from meshd.core.outlook import Outlook, as_learned, at_rate, outlook, seen_from
from meshd.core.plan_map import Kind
from meshd.core.policy import Policy
from meshd.core.request import Priority, Request
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from meshd.daemon.weighing import weighed
from meshd.errors import UnknownQuery
from meshd.executor.input_contract import BATCH
from meshd.plan_document import KnownLink, PlanDocument, PlannedLeg, PlannedLook, PlannedShare, PlannedWay, PlanQuestion
from model_registry.manifest import Manifest


class Foresight:
    """Builds the document of ``meshd plan``."""

    def __init__(
        self,
        scheduler: Scheduler,
        settings: Settings,
        policy: Policy,
        *,
        manifest: Callable[[ModelName], Manifest | None],
        now: Callable[[], float],
    ) -> None:
        self._scheduler = scheduler
        self._settings = settings
        self._policy = policy
        self._manifest = manifest
        self._now = now

    def document(self, arguments: dict[str, str]) -> Generator[None, None, PlanDocument]:
        """Return what would be decided; yields before each look, which takes about as long as a decision.

        Raises:
            UnknownQuery: the question makes no sense, or the model or node is not known here.
        """
        question, now = _read(arguments), self._now()
        manifest = self._known(question.model)
        own = self._scheduler.view.own
        view, wait_s = self._view(question.node, now)
        request = _request(manifest, question)
        hosts = self._hosts(view, request.model)
        looks: list[PlannedLook] = []
        for rate_bps in question.rates_bps or (None,):
            yield
            supposed = at_rate(view, rate_bps) if rate_bps else view
            looks.append(self._look(supposed, request, now, wait_s, rate_bps))
        return PlanDocument(
            model=request.model,
            node=view.own.profile.name,
            known_by=self._scheduler.profile.name,
            policy=self._policy.name,
            settings=self._settings,
            batch=request.batch,
            priority=request.priority,
            privacy=request.privacy,
            deadline_s=request.deadline_s,
            input_bytes=request.input_bytes,
            extents=_extents(manifest, question.length),
            lossless=request.lossless,
            looks=tuple(looks),
            links=tuple(_link(node, is_own=view.own is own) for node in view.nodes() if node.link is not None),
            hosts=tuple(as_learned(node, request.model) for node in hosts),
        )

    def _view(self, name: str, now: float) -> tuple[MeshView, float]:
        """Return what the deciding node sees, and how long a stage would wait there."""
        scheduler = self._scheduler
        if name in {"", scheduler.profile.name, scheduler.profile.node_id}:
            return scheduler.view, scheduler.telemetry().backlog_s
        found = [node for node in scheduler.view.nodes() if node.profile.name == name or _begins(node, name)]
        if len(found) != 1:
            told = "no node" if not found else "several nodes"
            raise UnknownQuery(f"this node has met {told} called {name!r}.", hint="`meshd peers` lists them.")
        return seen_from(scheduler.view, found[0].profile.node_id, self._settings, now), found[0].telemetry.backlog_s

    def _known(self, model: ModelName) -> Manifest:
        """Return the manifest that the whole answer rests on; the model may be gone before the last look."""
        manifest = self._manifest(model)
        if manifest is None:
            hosts = [node.profile.name for node, _ in self._scheduler.view.hosting.of(model).all]
            where = f"Ask {' or '.join(hosts)}, which hosts it." if hosts else "`meshd models` lists those of the mesh."
            raise UnknownQuery(f"this node has no model {model!r}.", hint=where)
        return manifest

    def _hosts(self, view: MeshView, model: ModelName) -> list[NodeView]:
        """Return who hosts the model; the deciding node comes first, whether it does or not."""
        hosting = {node.profile.node_id: node for node, _ in view.hosting.of(model).all}
        hosting.pop(view.own.profile.node_id, None)
        return [view.own, *hosting.values()]

    def _look(self, view: MeshView, request: Request, now: float, wait_s: float, rate_bps: float | None) -> PlannedLook:
        decided: Outlook = outlook(view, self._settings, self._policy, request, now=now, wait_s=wait_s)
        ways = tuple(_way(candidate) for candidate in decided.observation.candidates)
        shown = {way.place for way in ways}
        others = tuple(place for place in places(decided.observation.candidates) if place not in shown)
        rival = self._rival(request, decided)
        return PlannedLook(rate_bps=rate_bps, ways=ways, chosen=decided.index, rival=rival, others=others)

    def _rival(self, request: Request, decided: Outlook) -> int | None:
        """Return the index of what an emergency would be run as, too."""
        chosen, observation = decided.chosen, decided.observation
        is_urgent = request.priority is Priority.EMERGENCY and self._settings.hedge_emergencies
        if not is_urgent or chosen is None or chosen.is_split:
            return None
        rival = soonest_rival(observation, chosen)
        return None if rival is None else observation.candidates.index(rival)


def _read(arguments: dict[str, str]) -> PlanQuestion:
    try:
        return PlanQuestion.read(arguments)
    except msgspec.ValidationError as error:
        raise UnknownQuery(f"that is no question about a plan: {error}.") from error


def _request(manifest: Manifest, question: PlanQuestion) -> Request:
    return Request(
        request_id=RequestId("plan"),
        model=question.model,
        input_bytes=_input_bytes(manifest, question),
        deadline_s=question.deadline_s,
        batch=question.batch,
        priority=question.priority,
        privacy=question.privacy,
        lossless=question.lossless,
    )


def _begins(node: NodeView, name: str) -> bool:
    return len(name) >= len("12345678") and NodeId(node.profile.node_id).startswith(name)


def _input_bytes(manifest: Manifest, question: PlanQuestion) -> int:
    """Return the bytes of an input with so many items, as long as was asked or as short as may be."""
    most = manifest.axes[BATCH].max if BATCH in manifest.axes else 1
    if question.batch > most:
        raise UnknownQuery(
            f"{manifest.name} takes batches of at most {most}, and {question.batch} items were asked for."
        )
    extents = {name: axis.min for name, axis in manifest.axes.items()}
    extents |= _extents(manifest, question.length) | {BATCH: question.batch}
    return sum(tensor.bytes_of(extents) for tensor in manifest.inputs)


def _extents(manifest: Manifest, length: int) -> dict[str, int]:
    """Return how long each item is along the model's free axes; the fewest elements where no length was asked for."""
    free = {name: axis for name, axis in manifest.axes.items() if name != BATCH and axis.min < axis.max}
    if length and not free:
        raise UnknownQuery(f"inputs of {manifest.name} are all of one length.", hint="Leave the length out.")
    for name, axis in free.items():
        if length and not axis.min <= length <= axis.max:
            told = f"{manifest.name} takes {axis.min} to {axis.max} elements along {name!r}"
            raise UnknownQuery(f"{told}, and {length} were asked for.", hint="Ask for a length between them.")
    return {name: length or axis.min for name, axis in free.items()}


def _link(node: NodeView, *, is_own: bool) -> KnownLink:
    link = node.link
    assert link is not None, "only links to peers are told of"
    return KnownLink(
        node_id=node.profile.node_id,
        node=node.profile.name,
        rate_bps=8.0 / link.byte_s if link.byte_s > 0.0 else None,
        rtt_s=link.rtt_s.mean,
        measured=link.is_measured,
        rate_source="told" if not is_own else "measured" if link.is_rate_measured else "assumed",
    )


def _way(candidate: Candidate) -> PlannedWay:
    predicted, kind = candidate.price, Kind.of(candidate)
    return PlannedWay(
        **weighed(candidate),
        place=candidate.place,
        kind=kind.label,
        codec=kind.codec,
        escalation_s=predicted.escalation_s if predicted else None,
        total_s=predicted.total_s if predicted else None,
        joules=predicted.joules if predicted else None,
        legs=tuple(
            PlannedLeg(
                node=leg.node,
                first=leg.first,
                last=leg.last,
                codec=leg.codec,
                compute_s=leg.compute_s,
                transfer_s=leg.transfer_s,
            )
            for leg in candidate.legs
        ),
        shares=tuple(
            PlannedShare(node=share.node, items=share.items, codec=share.codec, seconds=share.seconds)
            for share in candidate.shares
        ),
    )
