"""Simulate a fleet of homes: ``python -m policies.fleet --homes 2000 --policy shipped``.

Every home lives under every policy, the rule that a daemon begins with always among them, with the same luck.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from policies.baselines import DEFAULT
from policies.command import check_writable, print_result, run_command
from policies.evaluation.contender import Contender
from policies.fleet.census import Census
from policies.fleet.fleet import Fleet, lived
from policies.fleet.result import FleetResult
from policies.fleet.table import tables
from policies.page import page_module
from policies.scenario import Split, families_asked
from policies.workers import OnRay, RayAddress, Workers, workers_of

_PAPER_WIDTH = 180
"""Of what goes to a file, in letters."""

app = typer.Typer(add_completion=False, help="Simulate a fleet of homes, each different, under the same policies.")
told = Console(stderr=True, soft_wrap=True, highlight=False)


@app.command()
def simulate(  # noqa: PLR0917 - typer's parameters are options, never positional
    homes: Annotated[int, typer.Option(min=1, help="How many; families take turns.")] = 2000,
    policy: Annotated[
        list[str] | None, typer.Option(help="shipped, a baseline's name, or the path of a policy; may be repeated.")
    ] = None,
    families: Annotated[str, typer.Option(help="test, validation, train, or names with commas between.")] = "test",
    first_seed: Annotated[int, typer.Option(help="Of each family.")] = 0,
    split: Annotated[Split | None, typer.Option(help="Devices and recordings of another split.")] = None,
    horizon_s: Annotated[float | None, typer.Option(min=1.0, help="How much of each home is lived.")] = None,
    traces: Annotated[Path | None, typer.Option(help="Folder of bandwidth traces.")] = None,
    arrivals: Annotated[Path | None, typer.Option(help="CSV of arrivals.")] = None,
    guard: Annotated[bool, typer.Option(help="Whether a learned policy stands behind the guard.")] = True,  # noqa: FBT002 - a flag
    processes: Annotated[int, typer.Option(min=1, help="Homes that live at the same time.")] = 2,
    ray: OnRay = False,  # noqa: FBT002 - a flag
    ray_address: RayAddress = None,
    page: Annotated[
        Path | None, typer.Option(help="Where a page with pictures goes; none is written otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures for programs.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Live in every home, and print how the policies do."""
    pages = None if page is None else page_module("policies.fleet")
    check_writable(page, ".html")
    names = dict.fromkeys([*(policy or ["shipped"]), DEFAULT])
    fleet = Fleet(
        n_homes=homes,
        families=tuple(families_asked(families)),
        contenders=tuple(Contender(name=name, is_guarded=guard) for name in names),
        first_seed=first_seed,
        split=split,
        horizon_s=horizon_s,
        traces=traces,
        arrivals=arrivals,
    )
    for contender in fleet.contenders:
        contender.policy(fleet.families[0])  # What cannot be run is told before anybody lives.
    result = _census(fleet, workers_of(processes, ray=ray, address=ray_address))
    if pages is not None:
        pages.write_page(result, page)
        told.print(f"page: {page}")
    print_result(result, tables(result), as_json=as_json, width=_PAPER_WIDTH)


def main() -> None:
    """Run the command line."""
    run_command(app, told)


def _census(fleet: Fleet, workers: Workers) -> FleetResult:
    census, began_s = Census(), monotonic()
    for home, lives in track(lived(fleet, workers), "homes", total=fleet.n_homes, console=told):
        census.add(home, lives)
    seconds = monotonic() - began_s
    told.print(f"{fleet.n_homes} homes in {seconds:.0f} s, {fleet.n_homes / seconds:.2f} a second")
    networks = {one.name: network for one in fleet.contenders if (network := one.network)}
    return census.result(shlex.join(["python", "-m", "policies.fleet", *sys.argv[1:]]), networks)


if __name__ == "__main__":
    main()
