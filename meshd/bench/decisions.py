"""What one scheduling decision takes: a request arrives, its candidates are weighed, and a plan follows.

Before each of them something has changed, so that nothing that was weighed before is taken up again.

Once with a cascade of whole models, and once with models that are cut in six stages, all of which the deciding node
hosts itself, so that heads, tails and chains are weighed too. Times are of the processor: a decision waits for nothing,
and what else runs on the machine is not its doing.
"""

from __future__ import annotations

import time
from itertools import count

from meshd.bench.report import Quantiles
from meshd.core import events
from meshd.core.commands import ChoosePlan
from meshd.core.ids import ArtifactHash, ModelName, NodeId, RequestId
from meshd.core.node import MOST_TOLD_LINKS, DeviceClass, HostedStage, HostedTier, NodeProfile, PeerLink, Telemetry, Way
from meshd.core.node_view import short
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Request
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from model_registry.power import PowerModel

MESHES = (3, 10, 30, 64, 250, 1000)
BOUNDS_US = {3: 200.0, 64: 1000.0, 1000: 5000.0}
"""What a decision may take at the 99th percentile, by the number of nodes."""
CLASSES = (DeviceClass.WATCH, DeviceClass.PHONE, DeviceClass.HUB)
POWER = PowerModel(
    idle_watts=0.01,
    active_watts=0.1,
    macs_per_s=1e9,
    radio_joules_per_byte=1e-7,
    radio_wake_joules=1e-3,
    radio_bps=1e7,
    battery_joules=4000.0,
)


def tier(device_class: DeviceClass, *, cut: bool) -> HostedTier:
    """Return one tier of the cascade; cut, it takes longer, for what takes 2 ms is hardly worth splitting."""
    escalates = device_class is not DeviceClass.HUB
    ways = (Way(codec="fp16", ratio=0.5, seconds=1e-5), Way(codec="int8", ratio=0.26, seconds=2e-5))
    stages = tuple(
        HostedStage(compute_s=0.004, measured=True, out_bytes=200_000 // 2**number, ways=ways) for number in range(6)
    )
    return HostedTier(
        model=ModelName("ecg"),
        version="1",
        tier=device_class,
        variant="int8",
        artifact=ArtifactHash(f"artifact of {device_class}"),
        accuracy=0.9,
        macs=1_000_000,
        compute_s=0.024 if cut else 0.002,
        load_s=0.05,
        score_output="score" if escalates else None,
        escalation_rate=0.1 if escalates else 0.0,
        stages=stages if cut else (),
    )


def profile(number: int, *, cut: bool) -> NodeProfile:
    """Return one node of the mesh; each hosts the tier of its class, and the one that decides all that can be cut."""
    device_class = CLASSES[number % len(CLASSES)]
    hosted = CLASSES if cut and number == 0 else (device_class,)
    return NodeProfile(
        node_id=NodeId(f"{number:064d}"[::-1]),
        name=f"{device_class}-{number}",
        device_class=device_class,
        incarnation=1,
        slots=1,
        power=POWER,
        hosted=tuple(tier(rank, cut=cut) for rank in hosted),
        codecs=("fp16", "int8"),
        takes_probes=True,
    )


def mesh(n_nodes: int, *, cut: bool = True) -> Scheduler:
    """Return the scheduler of a node in session with all others, each of which tells of its links to the first few."""
    scheduler = Scheduler(profile(0, cut=cut), Settings(max_nodes=n_nodes), 0.0)
    first = [profile(number, cut=cut).node_id for number in range(min(n_nodes, MOST_TOLD_LINKS))]
    links = tuple(PeerLink(node=short(to), rtt_s=0.002, byte_s=1e-7) for to in first)
    for number in range(1, n_nodes):
        peer = profile(number, cut=cut)
        warm = tuple(hosted.artifact for hosted in peer.hosted)
        scheduler.handle(events.PeerConnected(profile=peer, telemetry=Telemetry(warm=warm, links=links)), 0.0)
    return scheduler


def decide(scheduler: Scheduler, request: Request) -> float:
    """Return the seconds of processor from a request's arrival to its plan; the request is cancelled after that."""
    policy = LeastExpectedCost()
    begun_s = time.thread_time()
    for command in scheduler.handle(events.RequestArrived(request=request), 0.0):
        if isinstance(command, ChoosePlan):
            asked = command.observation
            index = policy.choose(asked)
            plan = events.PlanChosen(
                request_id=asked.request_id, decision=asked.decision, index=index, policy=policy.name
            )
            scheduler.handle(plan, 0.0)
    took_s = time.thread_time() - begun_s
    scheduler.handle(events.RequestCancelled(request_id=request.request_id), 0.0)
    return took_s


def change(scheduler: Scheduler) -> None:
    """Tell of this node what it was before, so that whatever was weighed has to be weighed again."""
    own = scheduler.view.own.telemetry
    sampled = events.HostChanged(warm=own.warm, battery_fraction=None, charging=False, free_memory_bytes=None)
    scheduler.handle(sampled, 0.0)


def measure_decisions(n_decisions: int, *, cut: bool = True) -> dict[int, Quantiles]:
    """Return what a decision takes by the number of nodes; the larger the mesh, the fewer are timed."""
    return {n: _measure(mesh(n, cut=cut), max(1, n_decisions // (1 + n // 100))) for n in MESHES}


def _measure(scheduler: Scheduler, n_decisions: int) -> Quantiles:
    numbers = count()

    def one() -> float:
        name = RequestId(f"r{next(numbers)}")
        change(scheduler)
        return decide(scheduler, Request(request_id=name, model=ModelName("ecg"), input_bytes=600_000, deadline_s=1.0))

    for _ in range(n_decisions // 10):
        one()
    return Quantiles.of([one() for _ in range(n_decisions)])
