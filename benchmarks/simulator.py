"""Measure the simulator: decisions a second in homes of three nodes, copies, and a decision in ever larger meshes.

Run: ``python -m benchmarks.simulator [--seconds 2] [--json] [--plot FILE.svg]``

Everything counts: arrivals, heartbeats, telemetry, runs, links, the ledger, and a policy that takes the least expected
cost. In the curve three nodes ask, each linked with all others; among n nodes that all ask of all others, what is paid
for every other node is paid n times. Times are of the processor, and the quickest of several runs: what else runs on
the machine only adds to them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from benchmarks.over_nodes import plot_over_nodes
from meshd.bench.decisions import POWER, profile
from meshd.core.candidate import Observation
from meshd.core.ids import ModelName, RequestId
from meshd.core.request import Request
from meshd.core.settings import Settings
from policies.scenario import (
    Arrival,
    Bandwidth,
    Hosting,
    Link,
    Luck,
    Model,
    Node,
    Scenario,
    Split,
    Truth,
    draw,
    family,
    family_names,
    salt,
)
from policies.simulator import Simulator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MESHES = (3, 10, 30, 64, 250, 1000)
N_ASKING = 3
_RATE_PER_S = 0.5
"""Requests of each node that asks."""
_NEVER_S = 1e9
_WINDOWS = 8
"""In which a mesh is measured, of 64 decisions at least."""


def cheapest(observation: Observation) -> int:
    """Return what is expected to cost least."""
    candidates = observation.candidates
    allowed = [index for index, candidate in enumerate(candidates) if candidate.reason is None]
    return min(allowed, key=lambda index: candidates[index].prediction.cost)


def play(simulator: Simulator, *, for_s: float = _NEVER_S) -> tuple[int, float]:
    """Run to the end, or for so many seconds of processor; return the decisions and the seconds."""
    n_decisions, begun_s = 0, time.process_time()
    while (choice := simulator.next_choice()) is not None:
        simulator.choose(cheapest(choice.observation))
        n_decisions += 1
        if not n_decisions % 64 and time.process_time() - begun_s > for_s:
            break
    return n_decisions, time.process_time() - begun_s


def measure_family(name: str, for_s: float) -> dict[str, float]:
    """Return decisions and arrivals a second over whole episodes of one family."""
    n_decisions, n_arrivals, quickest_s = 0, 0, 0.0
    for world in [draw(name, seed) for seed in range(_WINDOWS)]:
        runs = [play(Simulator(world))]
        while sum(seconds for _, seconds in runs) < for_s / _WINDOWS:
            runs.append(play(Simulator(world)))
        n_decisions += runs[0][0]
        n_arrivals += len(world.arrivals)
        quickest_s += min(seconds for _, seconds in runs)
    return {"decisions_per_s": n_decisions / quickest_s, "arrivals_per_s": n_arrivals / quickest_s}


def measure_copies(name: str) -> float:
    """Return the median milliseconds of a copy, over an episode of one family."""
    simulator, taken_s = Simulator(draw(name, 1)), []
    while (choice := simulator.next_choice()) is not None:
        begun_s = time.process_time()
        simulator.copy()
        taken_s.append(time.process_time() - begun_s)
        simulator.choose(cheapest(choice.observation))
    return median(taken_s) * 1e3


def measure_mesh(n_nodes: int, for_s: float) -> float:
    """Return the microseconds of a decision in a mesh of so many nodes, all that belongs to it included."""
    simulator = Simulator(mesh(n_nodes))
    simulator.next_choice()  # Sessions are open by then.
    windows = [play(simulator, for_s=for_s / _WINDOWS) for _ in range(_WINDOWS)]
    return min(seconds / n_decisions for n_decisions, seconds in windows if n_decisions) * 1e6


def mesh(n_nodes: int, horizon_s: float = 6000.0) -> Scenario:
    """Return a world of watches, phones and hubs, the first few of which ask and are linked with all."""
    nodes = tuple(_node(number) for number in range(n_nodes))
    luck, gap_s = Luck(1), 1.0 / (N_ASKING * _RATE_PER_S)
    arrivals = tuple(
        Arrival(
            at_s=1.0 + gap_s * (number + luck.uniform(salt("moment"), number)),
            node_id=nodes[number % N_ASKING].node_id,
            request=Request(
                request_id=RequestId(str(number)), model=ModelName("ecg"), input_bytes=20_000, deadline_s=1.0
            ),
            truth=Truth(scores=(1.0 if luck.uniform(salt("doubt"), number) < 0.1 else -1.0,) * 4),
        )
        for number in range(int(horizon_s / gap_s))
    )
    return Scenario(
        name=f"{n_nodes} nodes",
        family="benchmark",
        split=Split.TRAIN,
        seed=1,
        horizon_s=horizon_s,
        models=(Model(name=ModelName("ecg"), input_bytes=20_000, result_bytes=200, alarm_at=0.5),),
        nodes=nodes,
        links=_links(nodes),
        arrivals=arrivals,
        happenings=(),
        settings=Settings(max_nodes=max(n_nodes, 1)),
        missed_anomaly_joules=1.0,
        radio_joules_per_byte=POWER.radio_joules_per_byte,
        luck=luck,
    )


def _node(number: int) -> Node:
    announced = profile(number, cut=False)
    hosted = tuple(
        Hosting(announced=tier, compute_s=tier.compute_s, load_s=tier.load_s, memory_bytes=1)
        for tier in announced.hosted
    )
    return Node(
        profile=announced,
        hosted=hosted,
        power=POWER,
        memory_bytes=len(hosted),
        warm=tuple(tier.artifact for tier in announced.hosted),
        speed_spread=0.1,
    )


def _links(nodes: tuple[Node, ...]) -> tuple[Link, ...]:
    bandwidth = Bandwidth.constant(20e6)
    ends = [(a, b) for place, a in enumerate(nodes[:N_ASKING]) for b in nodes[place + 1 :]]
    return tuple(
        Link(sender=sender.node_id, receiver=receiver.node_id, delay_s=0.003, bandwidth=bandwidth, jitter=0.1)
        for a, b in ends
        for sender, receiver in ((a, b), (b, a))
    )


def plot(curve: Mapping[int, float], path: Path) -> None:
    """Draw the curve into a picture."""

    def line(axes: Axes) -> None:
        axes.plot(list(curve), list(curve.values()), "o-", color="tab:blue")

    plot_over_nodes(line, list(curve), path, ylabel="one decision simulated, microseconds")


def main() -> None:
    """Print the figures, as a table or as JSON, and draw the curve where asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of processor for each figure")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="an SVG or PNG file to draw the curve into")
    arguments = parser.parse_args()
    homes = [name for name in family_names() if len(family(name).nodes) == N_ASKING]
    by_family = {name: measure_family(name, arguments.seconds) for name in homes}
    whole_us = {n_nodes: measure_mesh(n_nodes, arguments.seconds) for n_nodes in MESHES}
    copy_ms = {name: measure_copies(name) for name in homes}
    if arguments.plot:
        plot(whole_us, arguments.plot)
    if arguments.json:
        found = {"families": by_family, "copy_ms": copy_ms, "decision_us": whole_us}
        speed = {"decisions_per_s": 1e6 / whole_us[N_ASKING]}
        sys.stdout.write(msgspec.json.encode(speed | found).decode() + "\n")
        return
    sys.stdout.write(f"{'family':<16}{'decisions/s':>12}{'arrivals/s':>12}{'copy ms':>10}\n")
    for name, speeds in by_family.items():
        row = f"{speeds['decisions_per_s']:>12.0f}{speeds['arrivals_per_s']:>12.0f}{copy_ms[name]:>10.2f}"
        sys.stdout.write(f"{name:<16}{row}\n")
    sys.stdout.write(f"{'nodes':<16}{'decision us':>12}{'decisions/s':>12}\n")
    for n_nodes, us in whole_us.items():
        sys.stdout.write(f"{n_nodes:<16}{us:>12.1f}{1e6 / us:>12.0f}\n")


if __name__ == "__main__":
    main()
