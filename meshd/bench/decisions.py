"""What one scheduling decision takes: a request arrives, its candidates are weighed, and a plan follows.

Times are of the processor: a decision waits for nothing, and what else runs on the machine is not its doing.
"""

from __future__ import annotations

import time
from itertools import count

from meshd.bench.report import Quantiles
from meshd.core import events
from meshd.core.commands import ChoosePlan
from meshd.core.ids import ArtifactHash, ModelName, NodeId, RequestId
from meshd.core.node import DeviceClass, HostedTier, NodeProfile, Telemetry
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Request
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from model_registry.power import PowerModel

MESHES = (3, 64, 1000)
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


def profile(number: int) -> NodeProfile:
    """Return one node of the mesh; each hosts the tier of its class."""
    device_class = CLASSES[number % len(CLASSES)]
    escalates = device_class is not DeviceClass.HUB
    hosted = HostedTier(
        model=ModelName("ecg"),
        version="1",
        tier=device_class,
        variant="int8",
        artifact=ArtifactHash(f"artifact of {device_class}"),
        accuracy=0.9,
        macs=1_000_000,
        compute_s=0.002,
        load_s=0.05,
        score_output="score" if escalates else None,
        escalation_rate=0.1 if escalates else 0.0,
    )
    return NodeProfile(
        node_id=NodeId(f"node {number}"),
        name=f"{device_class}-{number}",
        device_class=device_class,
        incarnation=1,
        slots=1,
        power=POWER,
        hosted=(hosted,),
    )


def mesh(n_nodes: int) -> Scheduler:
    """Return the scheduler of a watch in session with all other nodes."""
    scheduler = Scheduler(profile(0), Settings(max_nodes=n_nodes), 0.0)
    for number in range(1, n_nodes):
        peer = profile(number)
        warm = tuple(hosted.artifact for hosted in peer.hosted)
        scheduler.handle(events.PeerConnected(profile=peer, telemetry=Telemetry(warm=warm)), 0.0)
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


def measure_decisions(n_decisions: int) -> dict[int, Quantiles]:
    """Return what a decision takes by the number of nodes; of the largest mesh a tenth as many are timed."""
    return {n: _measure(n, n_decisions if n < MESHES[-1] else max(1, n_decisions // 10)) for n in MESHES}


def _measure(n_nodes: int, n_decisions: int) -> Quantiles:
    scheduler = mesh(n_nodes)
    numbers = count()

    def one() -> float:
        name = RequestId(f"r{next(numbers)}")
        return decide(scheduler, Request(request_id=name, model=ModelName("ecg"), input_bytes=10_000, deadline_s=1.0))

    for _ in range(n_decisions // 10):
        one()
    return Quantiles.of([one() for _ in range(n_decisions)])
