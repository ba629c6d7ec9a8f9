"""Builds the documents that clients read, from what the parts of the daemon know."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from msgspec.structs import asdict

import meshd
from meshd.config import Config
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.node import HostedTier
from meshd.core.node_view import NodeView
from meshd.daemon.models.keeper import Keeper
from meshd.daemon.node import Node
from meshd.daemon.story_document import story_document
from meshd.documents import (
    CalibratedBound,
    Corrected,
    DriftCounters,
    Excess,
    Host,
    ManifestDocument,
    MemoryState,
    Model,
    ModelsDocument,
    ModelTier,
    MqttState,
    Peer,
    PeersDocument,
    Problem,
    QueueState,
    StatusDocument,
    Unserved,
)
from meshd.errors import UnknownQuery
from meshd.explain_document import ExplainDocument
from meshd.net.link import LinkState, PeerLink
from meshd.net.unread import ALL_UNREAD
from meshd.policy.adaptation import Adapted
from meshd.policy.guard import Guard
from model_registry import manifest as manifests
from model_registry.tier import Variant

if TYPE_CHECKING:
    from meshd.plan_document import PlanDocument

    AnyDocument = StatusDocument | PeersDocument | ModelsDocument | ManifestDocument | PlanDocument | ExplainDocument


class Reporter:
    """Answers questions about this node."""

    def __init__(
        self,
        *,
        config: Config,
        node: Node,
        keeper: Keeper,
        links: Callable[[], list[PeerLink]],
        mqtt: Callable[[], MqttState],
        problems: Callable[[], list[Problem]],
        listening: str,
        policy_note: str = "",
    ) -> None:
        self._config = config
        self._scheduler = node.scheduler
        self._chronicle = node.chronicle
        self._chatter = node.neighbourhood.chatter
        self._vitals = node.vitals
        self._policy = node.policy
        self._policy_note = policy_note
        self._keeper = keeper
        self._links = links
        self._mqtt = mqtt
        self._problems = problems
        self._listening = listening
        self._started_s = time.monotonic()

    def document(self, subject: str, arguments: dict[str, str]) -> Generator[None, None, AnyDocument]:
        """Return the document on a subject; yields wherever others may have their turn.

        Raises:
            UnknownQuery: there is none.
        """
        match subject:
            case "status":
                return self._status()
            case "peers":
                return self._peers()
            case "models":
                return self._models()
            case "manifest":
                return self._manifest(ModelName(arguments.get("model", "")))
            case "plan":
                return (yield from self._foreseen(arguments))
            case "explain":
                return self._explain(arguments.get("request_id"))
            case _:
                raise UnknownQuery(
                    f"there is no document {subject!r}.",
                    hint="There are status, peers, models, manifest, plan and explain.",
                )

    def _foreseen(self, arguments: dict[str, str]) -> Generator[None, None, PlanDocument]:
        from meshd.daemon.foresight import Foresight  # noqa: PLC0415 - most nodes are never asked, and watches are small.

        foresight = Foresight(
            *(self._scheduler, self._config.scheduler.settings, self._policy),
            manifest=self._keeper.catalogue.manifest,
            now=self._vitals.now,
        )
        return foresight.document(arguments)

    def _status(self) -> StatusDocument:
        profile, telemetry = self._scheduler.profile, self._scheduler.telemetry()
        problems, serves_all = (*self._keeper.problems, *self._problems()), not self._keeper.unserved()
        return StatusDocument(
            node_id=profile.node_id,
            name=profile.name,
            device_class=profile.device_class,
            version=meshd.__version__,
            uptime_s=time.monotonic() - self._started_s,
            incarnation=profile.incarnation,
            healthy=serves_all and (bool(profile.hosted) or not self._keeper.problems),
            problems=problems,
            listening=self._listening,
            policy=self._policy.name,
            policy_note=self._policy_note,
            policy_sha256=self._policy.sha256 if isinstance(self._policy, Guard | Adapted) else "",
            choices=self._chronicle.choices,
            corrected=self._corrected(),
            mqtt=self._mqtt(),
            battery=self._vitals.battery(),
            requests=self._chronicle.counters(self._scheduler.alive_requests),
            queue=QueueState(
                queued=telemetry.queued,
                queued_max=self._config.scheduler.max_queued,
                running=telemetry.running,
                slots=profile.slots,
                backlog_s=telemetry.backlog_s,
            ),
            memory=MemoryState(resident_bytes=self._vitals.resident_bytes(), free_bytes=telemetry.free_memory_bytes),
            energy=self._vitals.energy(),
            arriving=self._keeper.arriving(),
            power=profile.power,
            excess=Excess(
                messages_left_out=self._chatter.left_out,
                peers_cut_off=self._chatter.peers_cut_off,
                slow_readers_cut_off=ALL_UNREAD.given_up,
            ),
            drifts=DriftCounters(**asdict(self._scheduler.view.drifts)),
        )

    def _corrected(self) -> tuple[Corrected, ...] | None:
        if not isinstance(self._policy, Adapted):
            return None
        corrections = self._policy.experience.corrections(self._vitals.now())
        return tuple(
            Corrected(node_id=way.node_id, tier=way.tier, kind=way.kind.value, share=share)
            for way, share in corrections.items()
        )

    def _peers(self) -> PeersDocument:
        own = self._scheduler.profile
        links = {link.node_id: link for link in self._links() if link.node_id is not None}
        known = {node.profile.node_id: node for node in self._scheduler.view.nodes() if node.link is not None}
        met = (self._peer(node, links.get(node_id)) for node_id, node in known.items())
        strangers = (_stranger(link) for link in self._links() if link.node_id not in known)
        return PeersDocument(node_id=own.node_id, name=own.name, peers=(*met, *strangers))

    def _peer(self, node: NodeView, link: PeerLink | None) -> Peer:
        node_id = node.profile.node_id
        member = self._scheduler.view.membership[node_id]
        assert node.link is not None, "peers have links"
        return Peer(
            node_id=node_id,
            name=node.profile.name,
            device_class=node.profile.device_class,
            state=member.standing.value,
            link_up=member.connected,
            address=link.address if link else None,
            rtt_s=node.link.rtt_s.mean if node.link.rtt_s.samples else None,
            age_s=self._vitals.age_s(node.heard_s),
            discovered_s=self._chronicle.discovered_s(node_id),
            last_error=link.last_error if link else None,
            telemetry=node.telemetry,
            power=node.profile.power,
        )

    def _models(self) -> ModelsDocument:
        hosts: dict[ModelName, dict[tuple[int, str], list[tuple[NodeView, HostedTier]]]] = {}
        for node in self._scheduler.view.nodes():
            for hosted in node.profile.hosted:
                tiers = hosts.setdefault(hosted.model, {})
                tiers.setdefault((hosted.tier.rank, hosted.artifact), []).append((node, hosted))
        unserved = self._keeper.unserved()
        models = tuple(
            self._model(name, hosts.get(name, {}), unserved.get(name)) for name in sorted({*hosts, *unserved})
        )
        return ModelsDocument(models=models, arriving=self._keeper.arriving())

    def _model(
        self,
        name: ModelName,
        tiers: dict[tuple[int, str], list[tuple[NodeView, HostedTier]]],
        unserved: Unserved | None,
    ) -> Model:
        listed = tuple(self._tier(hosts) for _, hosts in sorted(tiers.items()))
        versions = [hosted.version for there in tiers.values() for _, hosted in there]
        version = versions[0] if versions or unserved is None else unserved.version
        manifest = self._keeper.catalogue.manifest(name)
        signed_by = self._keeper.catalogue.acceptance.signer(manifest) if manifest else None
        pinned = name in self._keeper.preferences.pinned
        return Model(name=name, version=version, signed_by=signed_by, tiers=listed, pinned=pinned, unserved=unserved)

    def _tier(self, hosts: list[tuple[NodeView, HostedTier]]) -> ModelTier:
        hosted = hosts[0][1]
        manifest = self._keeper.catalogue.manifest(hosted.model)
        tier = manifest.tier(hosted.tier.value) if manifest else None
        variant = next((v for v in tier.variants if v.artifact == hosted.artifact), None) if tier else None
        bound = tier.escalation.bound if tier and tier.escalation and hosted.calibrated else None
        return ModelTier(
            tier=hosted.tier,
            variant=hosted.variant,
            precision=variant.precision if variant else None,
            artifact=hosted.artifact,
            size_bytes=variant.size_bytes if variant else None,
            accuracy=hosted.accuracy if variant and _says_accuracy(variant) else None,
            escalation_rate=self._scheduler.view.escalations.rate(hosted, self._vitals.now()),
            bound=CalibratedBound(missed=bound.missed, confidence=bound.confidence) if bound else None,
            hosts=tuple(self._host(node, there) for node, there in hosts),
        )

    def _host(self, node: NodeView, hosted: HostedTier) -> Host:
        node_id = node.profile.node_id
        return Host(
            node_id=node_id,
            node=node.profile.name,
            warm=hosted.artifact in node.telemetry.warm,
            compute_s=node.compute_s(hosted, self._vitals.now()).mean,
        )

    def _manifest(self, model: ModelName) -> ManifestDocument:
        manifest = self._keeper.catalogue.manifest(model)
        if manifest is None:
            hosts = [node.profile.name for node in self._scheduler.view.nodes() if _hosts(node, model)]
            where = f"Ask {' or '.join(hosts)}, which hosts it." if hosts else "`meshd models` lists those of the mesh."
            raise UnknownQuery(f"this node has no model {model!r}.", hint=where)
        return ManifestDocument(model=model, text=manifests.dumps(manifest))

    def _explain(self, request_id: str | None) -> ExplainDocument:
        stories = self._scheduler.explanations
        story = stories.get(RequestId(request_id)) if request_id else stories.latest()
        if story is None:
            kept = self._config.scheduler.max_explained
            raise UnknownQuery(
                f"request {request_id!r} is not known here." if request_id else "there was no request yet.",
                hint=f"A node remembers its last {kept} requests; ask the node that took this one.",
            )
        return story_document(story, self._config.scheduler.settings)


def _hosts(node: NodeView, model: ModelName) -> bool:
    return any(hosted.model == model for hosted in node.profile.hosted)


def _says_accuracy(variant: Variant) -> bool:
    """Tell whether its figures are of true answers; held against a parent's answers they say agreement."""
    return bool(variant.accuracy) and (variant.evaluation is None or variant.evaluation.reference == "labels")


def _stranger(link: PeerLink) -> Peer:
    return Peer(
        node_id=link.node_id or NodeId(""),
        name=link.name or "unknown",
        device_class=link.device_class,
        state="unpaired" if link.state is LinkState.UNPAIRED else "unreached",
        link_up=False,
        address=link.address,
        rtt_s=None,
        age_s=None,
        discovered_s=None,
        last_error=link.last_error,
        telemetry=None,
    )
