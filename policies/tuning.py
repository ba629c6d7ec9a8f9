"""Tune every baseline for every family: ``python -m policies.tuning --seeds 6``.

Worlds are drawn as those of the validation split, so that no device, recording or luck of a test is among them; the
form of a test family is. That is more than a learned policy gets to see, and on the safe side: a baseline that was
tuned down makes everything else look good. Learners first play worlds of the training families, then each family's
worlds decide how curious they are to be.

A small space of parameters is tried in full, a larger one parameter by parameter from what the rule began with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from math import inf, prod
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from policies.baselines import BASELINES
from policies.baselines.catalogue import Space
from policies.baselines.learner import Learner
from policies.baselines.tuned import ANY_FAMILY, FOUND_BY, TUNED_FILE, memory_file
from policies.command import run_command
from policies.evaluation.contender import Contender
from policies.evaluation.play import play, request_cost
from policies.scenario import Scenario, Split, draw, family_names
from policies.workers import OnRay, RayAddress, in_order, workers_of

_FULL = 32
"""Points of a space that is tried in full."""
_LEARNING: Mapping[str, Mapping[str, object]] = {"linucb": {"curiosity": 0.3}, "autoscale": {"curiosity": 0.3}}
"""More is tried while learning than later."""

_WHERE = Path(__file__).parent / "baselines"

Parameters = Mapping[str, object]

console = Console()


def main(  # noqa: PLR0917 - typer's parameters are options, never positional
    seeds: Annotated[int, typer.Option(help="Worlds of each family.")] = 6,
    learning_seeds: Annotated[
        int, typer.Option(help="Worlds of each training family that learners play first; 0: they keep what they know.")
    ] = 40,
    families: Annotated[str, typer.Option(help="A split, or names with commas between; all otherwise.")] = "all",
    only: Annotated[str, typer.Option(help="One baseline; the others keep what they have.")] = "",
    processes: Annotated[int, typer.Option(min=1, help="Families tuned at the same time.")] = 2,
    ray: OnRay = False,  # noqa: FBT002 - a flag
    ray_address: RayAddress = None,
) -> None:
    """Tune, and write what was found beside the baselines."""
    names = [name for name, baseline in BASELINES.items() if baseline.space and only in {"", name}]
    workers = workers_of(processes, ray=ray, address=ray_address)
    if learning_seeds:
        learners = [name for name in names if BASELINES[name].memory is not None]
        for name, known in zip(learners, in_order(workers, partial(_learned, learning_seeds), learners), strict=True):
            (_WHERE / memory_file(name)).write_bytes(known)
    tasks = [(name, family) for family in _named(families) for name in names]
    command = " ".join(["python -m policies.tuning", *sys.argv[1:]])
    tuned = in_order(workers, partial(_tuned, seeds), tasks, name=" ".join)
    for (name, family), found in zip(tasks, tuned, strict=True):
        console.print(f"{family:18} {name:18} {dict(found)}")
        _write(family, name, found, command)


def _named(families: str) -> list[str]:
    if families in {"all", *Split}:
        return [*family_names(None if families == "all" else Split(families)), ANY_FAMILY]
    return families.split(",")


def _write(family: str, name: str, found: Parameters, command: str) -> None:
    """Put what was found in its place, with the command that found it."""
    path = _WHERE / TUNED_FILE
    table = msgspec.toml.decode(path.read_bytes(), type=dict[str, Any]) if path.is_file() else {}
    table.setdefault(family, {})[name] = dict(found)
    table.setdefault(FOUND_BY, {})[family] = command
    path.write_bytes(msgspec.toml.encode(table))


def _learned(seeds: int, name: str) -> bytes:
    """Return what a learner knows after so many worlds of each training family, as JSON."""
    policy = BASELINES[name].policy(_LEARNING[name])
    assert isinstance(policy, Learner), "only what learns has a memory"
    for seed in range(seeds):
        for family in family_names(Split.TRAIN):
            play(draw(family, seed), lambda: policy)
    return msgspec.json.encode(policy.memory)


def _tuned(seeds: int, task: tuple[str, str]) -> Parameters:
    name, family = task
    return best_of(name, worlds(family, seeds))


def worlds(family: str, seeds: int) -> list[Scenario]:
    """Return the worlds that a family is tuned on."""
    if family != ANY_FAMILY:
        return [draw(family, seed, split=Split.VALIDATION) for seed in range(seeds)]
    return [draw(name, seed, split=Split.VALIDATION) for name in family_names(Split.TRAIN) for seed in range(2)]


def best_of(name: str, scenarios: Sequence[Scenario]) -> Parameters:
    """Return the parameters with the least mean cost of a request on these worlds; the earlier found on a tie."""
    space, tried = BASELINES[name].space, dict[str, float]()

    def cost(parameters: Parameters) -> float:
        key = repr(sorted(parameters.items()))
        if key not in tried:
            tried[key] = mean_cost(Contender(name=name, parameters=parameters), scenarios)
        return tried[key]

    if prod(len(values) for values in space.values()) <= _FULL:
        return min(_points(space), key=cost)
    best: Parameters = {}
    for parameter, values in space.items():
        best = min([best, *({**best, parameter: value} for value in values)], key=cost)
    return best


def mean_cost(contender: Contender, scenarios: Sequence[Scenario]) -> float:
    """Return the mean over worlds of what a request costs; infinity without worlds."""
    costs = [
        request_cost(scenario, lambda: contender.policy(scenario.family))  # noqa: B023
        for scenario in scenarios
    ]
    return sum(costs) / len(costs) if costs else inf


def _points(space: Space) -> Iterator[Parameters]:
    for values in product(*space.values()):
        yield dict(zip(space, values, strict=True))


if __name__ == "__main__":
    run_command(lambda: typer.run(main), Console(stderr=True))
