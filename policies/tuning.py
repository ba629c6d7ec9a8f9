"""Tune every baseline for every family: ``python -m policies.tuning --seeds 20``.

Worlds are drawn as those of the validation split, so that no device, recording or luck of a test is among them; the
form of a test family is. That is more than a learned policy gets to see, and on the safe side: a baseline that was
tuned down makes everything else look good. Learners first play worlds of the training families, then each family's
worlds decide how curious they are to be.

A small space of parameters is tried in full, a larger one parameter by parameter from what the rule began with, twice
over, for what is best of one depends on the others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from itertools import product
from math import prod
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
from policies.race import Parameters, Race
from policies.scenario import Scenario, Split, draw, family_names
from policies.workers import OnRay, RayAddress, in_order, workers_of

_FULL = 12
"""Points of a space that is tried in full."""
_PASSES = 2
_LEARNING: Mapping[str, Mapping[str, object]] = {"linucb": {"curiosity": 0.3}, "autoscale": {"curiosity": 0.3}}
"""More is tried while learning than later."""

_WHERE = Path(__file__).parent / "baselines"

console = Console()


def main(  # noqa: PLR0917 - typer's parameters are options, never positional
    seeds: Annotated[int, typer.Option(help="Worlds of each family.")] = 20,
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
    command = " ".join(["python -m policies.tuning", *sys.argv[1:]])
    if learning_seeds:
        learners = [name for name in names if BASELINES[name].memory is not None]
        for name, known in zip(learners, in_order(workers, partial(_learned, learning_seeds), learners), strict=True):
            (_WHERE / memory_file(name)).write_bytes(known)
            _note(name, command)
    tasks = [(name, family) for family in _named(families) for name in names]
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
    table = _table()
    table.setdefault(family, {})[name] = dict(found)
    (_WHERE / TUNED_FILE).write_bytes(msgspec.toml.encode(table))
    _note(f"{family} {name}", command)


def _note(what: str, command: str) -> None:
    """Say by which command something was found: a learner's memory, or a family's parameters of a baseline."""
    table = _table()
    found = {known: [one for one in those if one != what] for known, those in table.get(FOUND_BY, {}).items()}
    found.setdefault(command, []).append(what)
    table[FOUND_BY] = {known: those for known, those in found.items() if those}
    (_WHERE / TUNED_FILE).write_bytes(msgspec.toml.encode(table))


def _table() -> dict[str, Any]:
    path = _WHERE / TUNED_FILE
    return msgspec.toml.decode(path.read_bytes(), type=dict[str, Any]) if path.is_file() else {}


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
    return [draw(name, seed, split=Split.VALIDATION) for seed in range(2) for name in family_names(Split.TRAIN)]


def best_of(name: str, scenarios: Sequence[Scenario]) -> Parameters:
    """Return the parameters with the least mean cost of a request on these worlds; the earlier found on a tie."""
    space, race = BASELINES[name].space, Race(partial(_cost, name), scenarios)

    def best_among(points: Iterable[Parameters]) -> Parameters:
        return reduce(lambda best, point: point if race.is_better(point, best) else best, points)

    if prod(len(values) for values in space.values()) <= _FULL:
        return best_among(_points(space))
    best: Parameters = {}
    for parameter in [*space] * _PASSES:
        rest = {name: value for name, value in best.items() if name != parameter}
        best = best_among([best, rest, *({**rest, parameter: value} for value in space[parameter])])
    return best


def _cost(name: str, parameters: Parameters, scenario: Scenario) -> float:
    contender = Contender(name=name, parameters=parameters)
    return request_cost(scenario, lambda: contender.policy(scenario.family))


def _points(space: Space) -> Iterator[Parameters]:
    for values in product(*space.values()):
        yield dict(zip(space, values, strict=True))


if __name__ == "__main__":
    run_command(lambda: typer.run(main), Console(stderr=True))
