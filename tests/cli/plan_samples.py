"""What a watch says of where a model would run, with one peer that is ten times as fast."""

from meshd.core.ids import ArtifactHash, NodeId
from meshd.core.node import DeviceClass, HostedStage, HostedTier, NodeProfile
from meshd.core.request import Priority, Privacy
from meshd.core.settings import Settings
from meshd.plan_document import KnownLink, PlanDocument, PlannedLook, PlannedWay
from model_registry.device_class import device_class
from tests.cli.samples import ECG, HUB, WATCH


def _host(name: str, node_id: NodeId, rank: DeviceClass, compute_s: float) -> NodeProfile:
    tier = HostedTier(
        model=ECG,
        version="1.0.0",
        tier=DeviceClass.WATCH,
        variant="int8",
        artifact=ArtifactHash("ab" * 32),
        accuracy=0.9,
        macs=1_000_000,
        compute_s=compute_s,
        load_s=0.01,
        stages=tuple(HostedStage(compute_s=compute_s / 2, measured=True, out_bytes=crosses) for crosses in (12_544, 0)),
    )
    power = device_class(rank.value).power
    return NodeProfile(
        node_id=node_id, name=name, device_class=rank, incarnation=1, slots=1, power=power, hosted=(tier,)
    )


_ANSWER_S = 0.050
PLAN = PlanDocument(
    model=ECG,
    node="wrist",
    known_by="wrist",
    policy="least-expected-cost",
    settings=Settings(),
    batch=1,
    priority=Priority.NORMAL,
    privacy=Privacy.HOUSEHOLD,
    deadline_s=10.0,
    input_bytes=602_112,
    looks=(
        PlannedLook(
            rate_bps=2e6,
            chosen=0,
            ways=(
                PlannedWay(
                    place="wrist",
                    tier=DeviceClass.WATCH,
                    kind="whole here",
                    codec="raw",
                    mask=None,
                    reason=None,
                    queue_s=0.0,
                    load_s=0.0,
                    compute_s=_ANSWER_S,
                    transfer_s=0.0,
                    escalation_s=0.0,
                    total_s=_ANSWER_S,
                    delay_s=0.0,
                    joules=0.05,
                    cost=0.055,
                ),
                PlannedWay(
                    place="kitchen",
                    tier=DeviceClass.WATCH,
                    kind="whole there, uint8",
                    codec="uint8",
                    mask=None,
                    reason=None,
                    queue_s=0.0,
                    load_s=0.0,
                    compute_s=0.005,
                    transfer_s=0.6,
                    escalation_s=0.0,
                    total_s=0.605,
                    delay_s=0.0,
                    joules=0.2,
                    cost=0.18,
                ),
            ),
        ),
    ),
    links=(
        KnownLink(node_id=HUB, node="kitchen", rate_bps=2.05e6, rtt_s=0.0021, measured=True, rate_source="measured"),
    ),
    hosts=(_host("wrist", WATCH, DeviceClass.WATCH, _ANSWER_S), _host("kitchen", HUB, DeviceClass.HUB, 0.005)),
)
