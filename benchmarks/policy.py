"""Measure what a learned policy adds to a decision: its features, its network, and both with the guard.

Run: ``python -m benchmarks.policy [--policy policy.onnx] [--count 3000] [--json]``

One request that may wait, on a node that knows as many others as there are candidates: the worst case, for each row is
of a node of its own. Times are of the processor, in microseconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

import msgspec

from meshd.bench.decisions import mesh
from meshd.core.candidate import Observation
from meshd.core.commands import ChoosePlan
from meshd.core.events import RequestArrived
from meshd.core.ids import ModelName, RequestId
from meshd.core.mesh_view import MeshView
from meshd.core.request import Priority, Request
from meshd.errors import PolicyUnusable
from meshd.policy.features import features
from meshd.policy.guard import Guard
from meshd.policy.learned import LearnedPolicy
from meshd.policy.served import SHIPPED_PATH

N_CANDIDATES = (3, 10, 32)
_REQUEST = Request(
    request_id=RequestId("measured"),
    model=ModelName("ecg"),
    input_bytes=600_000,
    deadline_s=30.0,
    priority=Priority.BACKGROUND,
)

Figures = dict[str, dict[int, float]]


def measure(policy: LearnedPolicy, count: int) -> Figures:
    """Return the medians by what is measured and how many candidates there are."""
    guard, figures = Guard(policy), Figures()
    for n_candidates in N_CANDIDATES:
        observation, view = _decision(n_candidates)
        seen = features(observation, view, 0.0)
        for name, call in {
            "features": lambda: features(observation, view, 0.0),  # noqa: B023 - called before the next round
            "network": lambda: policy.decide(seen),  # noqa: B023
            "both": lambda: policy.choose(observation, view, 0.0),  # noqa: B023
            "with the guard": lambda: guard.choose(observation, view, 0.0),  # noqa: B023
        }.items():
            figures.setdefault(name, {})[n_candidates] = _median_us(call, count)
    return figures


def _decision(n_candidates: int) -> tuple[Observation, MeshView]:
    scheduler = mesh(n_candidates, cut=False)
    for command in scheduler.handle(RequestArrived(request=_REQUEST), 0.0):
        if isinstance(command, ChoosePlan):
            return command.observation, scheduler.view
    raise AssertionError("there are several candidates, so a policy is asked")


def _median_us(call: Callable[[], object], count: int) -> float:
    taken_ns = []
    for _ in range(count):
        begun_ns = time.thread_time_ns()
        call()
        taken_ns.append(time.thread_time_ns() - begun_ns)
    return round(quantiles(taken_ns, n=2)[0] / 1e3, 1)


def main() -> None:
    """Print the figures, as a table or as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--policy", type=Path, default=SHIPPED_PATH, help="a policy's .onnx; the shipped one unless set"
    )
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        network = LearnedPolicy(arguments.policy)
    except PolicyUnusable as error:
        sys.exit(str(error))
    figures = measure(network, arguments.count)
    if arguments.json:
        sys.stdout.write(msgspec.json.encode({"policy_us": figures}).decode() + "\n")
        return
    sys.stdout.write(f"{'candidates':<16}" + "".join(f"{n:>8}" for n in N_CANDIDATES) + "\n")
    for name, row in figures.items():
        sys.stdout.write(f"{name:<16}" + "".join(f"{taken_us:>8.1f}" for taken_us in row.values()) + "\n")


if __name__ == "__main__":
    main()
