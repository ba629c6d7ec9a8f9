"""Find out what parts are worth: ``python -m policies.study energy --policy shipped``.

``energy`` trades joules for misses, ``freshness`` tells what it is worth that replies carry what a node knows of
itself, ``ablations`` changes one part of a learned policy at a time, and ``learning`` plays all networks of a training,
whose folder ``--policy`` then names. All arms of a study play the same worlds with the same luck; nothing is trained.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.progress import track

from policies.command import check_writable, print_result, run_command
from policies.evaluation.worlds import FIRST_UNSEEN, World
from policies.page import page_module
from policies.scenario import Split, families_asked
from policies.study import ablations, energy, freshness, learning
from policies.study.ablations import Ablations
from policies.study.arm import Arm
from policies.study.energy import Energy
from policies.study.findings import Findings
from policies.study.freshness import Freshness
from policies.study.learning import Learning
from policies.study.runs import Runs
from policies.study.trial import Trial, play_trial
from policies.workers import OnRay, RayAddress, Workers, workers_of

_PAPER_WIDTH = 210
"""Of what goes to a file, in letters."""


class Name(StrEnum):
    """Of a study."""

    ENERGY = "energy"
    FRESHNESS = "freshness"
    ABLATIONS = "ablations"
    LEARNING = "learning"


class Study(Struct, frozen=True):
    """What is played, and what is told of it."""

    arms: Callable[[str], list[Arm]]
    told: Callable[[Runs, str, str], Findings]


STUDIES: Mapping[Name, Study] = {
    Name.ENERGY: Study(energy.arms, Energy.of),
    Name.FRESHNESS: Study(freshness.arms, Freshness.of),
    Name.ABLATIONS: Study(ablations.arms, Ablations.of),
    Name.LEARNING: Study(learning.arms, Learning.of),
}

app = typer.Typer(add_completion=False, help="Find out what parts are worth, on the same worlds.")
told = Console(stderr=True, soft_wrap=True, highlight=False)


@app.command()
def study(  # noqa: PLR0917 - typer's parameters are options, never positional
    name: Annotated[Name, typer.Argument(help="Which study.")],
    policy: Annotated[
        str, typer.Option(help="shipped, a path, or a baseline's name; of learning a training's folder.")
    ] = "shipped",
    families: Annotated[str, typer.Option(help="test, validation, train, or names with commas between.")] = "test",
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of each family.")] = 10,
    first_seed: Annotated[
        int,
        typer.Option(help="The first of them; of the test worlds below 20 were looked at, of validation below 40."),
    ] = FIRST_UNSEEN,
    split: Annotated[Split | None, typer.Option(help="Devices and recordings of another split.")] = None,
    traces: Annotated[Path | None, typer.Option(help="Folder of bandwidth traces.")] = None,
    arrivals: Annotated[Path | None, typer.Option(help="CSV of arrivals.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Worlds played at the same time.")] = 2,
    ray: OnRay = False,  # noqa: FBT002 - a flag
    ray_address: RayAddress = None,
    page: Annotated[
        Path | None, typer.Option(help="Where a page with pictures goes; none is written otherwise.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Where its first picture goes, as .svg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures for programs.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Play every arm on every world, and print what comes of it."""
    chosen, names = STUDIES[name], families_asked(families)
    pages = None if page is None and picture is None else page_module("policies.study")
    check_writable(page, ".html")
    check_writable(picture, ".svg")
    arms = tuple(chosen.arms(policy))
    for arm in arms:  # What cannot be run is told before anything is played.
        arm.contender.policy(names[0])
    networks = {network.sha256: network for arm in arms if (network := arm.contender.network)}
    trials = [
        Trial(
            world=World(family=family, seed=seed, contenders=(), split=split, traces=traces, arrivals=arrivals),
            arms=arms,
        )
        for seed in range(first_seed, first_seed + seeds)
        for family in names
    ]
    runs = _played(trials, workers_of(processes, ray=ray, address=ray_address))
    found = chosen.told(runs, policy, shlex.join(["python", "-m", "policies.study", *sys.argv[1:]]))
    result = replace(found, networks=list(networks.values()))
    if page is not None and pages is not None:
        pages.write_page(result, page)
        told.print(f"page: {page}")
    if picture is not None and pages is not None:
        pages.write_picture(result, picture)
    print_result(result, (sheet.table() for sheet in result.sheets()), as_json=as_json, width=_PAPER_WIDTH)


def main() -> None:
    """Run the command line."""
    run_command(app, told)


def _played(trials: list[Trial], workers: Workers) -> Runs:
    came = workers.each(play_trial, trials, name=lambda trial: trial.name)
    return Runs([run for _, runs in track(came, "worlds", total=len(trials), console=told) for run in runs])


if __name__ == "__main__":
    main()
