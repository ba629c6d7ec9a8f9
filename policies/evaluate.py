"""Hold a policy against every rule we know, on worlds it never saw, with what can be had at most beside them.

``python -m policies.evaluate --policy shipped --families test --seeds 20 --json``

Everybody plays the same worlds with the same luck, so that differences are differences of decisions. The page
``policies/report.html`` shows the same with pictures. A learned policy plays behind the daemon's guard.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from policies.baselines import BASELINES
from policies.bounds import Foresight
from policies.command import check_writable, print_result, run_command
from policies.errors import NoPolicy
from policies.evaluation.contender import Contender
from policies.evaluation.network import Network
from policies.evaluation.outcome import Outcome
from policies.evaluation.result import result_of
from policies.evaluation.table import tables
from policies.evaluation.worlds import FIRST_UNSEEN, MOST_PLANNED, World, play_worlds
from policies.page import page_module
from policies.scenario import Split, families_asked
from policies.workers import OnRay, RayAddress, Workers, workers_of

REPORT = Path(__file__).with_name("report.html")

_PAPER_WIDTH = 160
"""Of what goes to a file, in letters."""

app = typer.Typer(add_completion=False, help="Hold a policy against baselines and bounds, on the same worlds.")
told = Console(stderr=True)


@app.command()
def evaluate(  # noqa: PLR0917 - typer's parameters are options, never positional
    policy: Annotated[str, typer.Option(help="shipped, a baseline's name, or the path of a policy.")] = "shipped",
    also: Annotated[
        list[str] | None,
        typer.Option(help="Another training's network, held against the same baselines; may be repeated."),
    ] = None,
    families: Annotated[str, typer.Option(help="test, validation, train, or names with commas between.")] = "test",
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of each family.")] = 20,
    first_seed: Annotated[
        int,
        typer.Option(help="The first of them; of the test worlds below 20 were looked at, of validation below 40."),
    ] = FIRST_UNSEEN,
    split: Annotated[Split | None, typer.Option(help="Devices and recordings of another split.")] = None,
    traces: Annotated[Path | None, typer.Option(help="Folder of bandwidth traces.")] = None,
    arrivals: Annotated[Path | None, typer.Option(help="CSV of arrivals.")] = None,
    planner_seeds: Annotated[
        int, typer.Option(min=0, help="Worlds of each family that are planned; each takes as long as 250 played ones.")
    ] = 4,
    planner_nodes: Annotated[
        int,
        typer.Option(min=2, help="Larger meshes are not planned, for that takes very long."),
    ] = MOST_PLANNED,
    planner_horizon_s: Annotated[float, typer.Option(min=1.0, help="How far the planner tries.")] = 60.0,
    single_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of requests that are held against the single node's way.")
    ] = 0.08,
    guard: Annotated[bool, typer.Option(help="Whether a learned policy stands behind the guard.")] = True,  # noqa: FBT002 - a flag
    processes: Annotated[int, typer.Option(min=1, help="Worlds played at the same time.")] = 2,
    ray: OnRay = False,  # noqa: FBT002 - a flag
    ray_address: RayAddress = None,
    page: Annotated[Path, typer.Option(help="Where the page with pictures goes.")] = REPORT,
    picture: Annotated[Path | None, typer.Option(help="Where its first picture goes too, as .svg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures for programs.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Play, print the figures, and write the page."""
    if also and (rules := BASELINES.keys() & {policy, *also}):
        raise NoPolicy(f"{min(rules)} is a rule and no training.", hint="Rules play anyway; name networks beside one.")
    played = dict.fromkeys([policy, *(also or []), *BASELINES])
    contenders = tuple(Contender(name=name, is_guarded=guard) for name in played)
    networks = _networks(contenders)  # What cannot be run, or written, is told before anything is played.
    names, report = families_asked(families), page_module("policies.report")
    check_writable(page, ".html")
    check_writable(picture, ".svg")
    worlds = [
        World(
            family=name,
            seed=seed,
            contenders=contenders,
            foresight=Foresight(look_ahead_s=planner_horizon_s) if seed - first_seed < planner_seeds else None,
            most_planned=planner_nodes,
            single_share=single_share,
            split=split,
            traces=traces,
            arrivals=arrivals,
        )
        for seed in range(first_seed, first_seed + seeds)
        for name in names
    ]
    workers = workers_of(processes, ray=ray, address=ray_address)
    result = result_of(_played(worlds, workers), policy, _command(), networks)
    report.write_page(result, page)
    if picture is not None:
        report.write_picture(result, picture)
    told.print(f"page: {page}")
    print_result(result, tables(result), as_json=as_json, width=_PAPER_WIDTH)


def main() -> None:
    """Run the command line."""
    run_command(app, told)


def _networks(contenders: Sequence[Contender]) -> dict[str, Network]:
    """Return the learned policies by the names that they play under.

    Raises:
        NoPolicy: one cannot be run, or would count twice.
    """
    found = {one.name: network for one in contenders if (network := one.network) is not None}
    names = {network.sha256: name for name, network in found.items()}
    for name, network in found.items():
        if (twin := names[network.sha256]) != name:
            raise NoPolicy(f"{name} and {twin} are the same network.", hint="Name each training once.")
    return found


def _played(worlds: list[World], workers: Workers) -> list[Outcome]:
    played = track(play_worlds(worlds, workers), "worlds", total=len(worlds), console=told)
    return [outcome for outcomes in played for outcome in outcomes]


def _command() -> str:
    return shlex.join(["python", "-m", "policies.evaluate", *sys.argv[1:]])


if __name__ == "__main__":
    main()
