"""Train by many recipes: ``python -m policies.sweep --out DIR --vary learning_rate=1e-4,2e-4 --seeds 3``.

Every training has a folder of its own below DIR. The same command goes on where it was interrupted, and one with more
points or seeds adds to what is there.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model_registry.extra import program_needing
from policies.command import run_command
from policies.workers import OnRay, RayAddress, Workers, workers_of

with program_needing("train", "A sweep"):
    from policies.sweep.picture import draw_picture
    from policies.sweep.point import Point, Varied, drawn, grid
    from policies.sweep.result import SweepResult, result_of
    from policies.sweep.trial import Judged, Trial, run

app = typer.Typer(add_completion=False, help="Train by many recipes, and see which of their numbers matter.")
told = Console(stderr=True, soft_wrap=True, highlight=False)


@app.command()
def sweep(  # noqa: PLR0917 - typer's parameters are options, never positional
    out: Annotated[Path, typer.Option(help="Folder of all trainings; on a cluster all machines must see it.")],
    vary: Annotated[
        list[str] | None, typer.Option(metavar="NAME=1,2,3|NAME=1..3", help="A hyperparameter's numbers, or range.")
    ] = None,
    changed: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=NUMBER", help="Another hyperparameter in all alike.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each point.")] = 3,
    random: Annotated[int, typer.Option(min=0, help="Draw so many points; 0: every combination.")] = 0,
    random_seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
    judging_seeds: Annotated[int, typer.Option(min=1, help="Worlds of each validation family to judge by.")] = 3,
    processes: Annotated[int, typer.Option(min=1, help="Trainings at the same time; each takes one.")] = 2,
    ray: OnRay = False,  # noqa: FBT002 - a flag
    ray_address: RayAddress = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures for programs.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Train what is not trained yet, and print what each point is worth."""
    varied = [Varied.of(text) for text in vary or []]
    points = drawn(varied, random, random_seed) if random else grid(varied)
    trials = list(_trials(out.absolute(), points, changed or [], seeds=seeds, judging_seeds=judging_seeds))
    judged = _judged(trials, workers_of(processes, ray=ray, address=ray_address))
    result = result_of(judged, shlex.join(["python", "-m", "policies.sweep", *sys.argv[1:]]))
    (out / "sweep.json").write_bytes(msgspec.json.encode(result))
    draw_picture(result, trials, out / "sweep.svg")
    if as_json:
        print(msgspec.json.encode(result).decode())
    else:
        Console().print(table_of(result))
        told.print(f"picture: {out / 'sweep.svg'}")


def main() -> None:
    """Run the command line."""
    run_command(app, told)


def table_of(result: SweepResult) -> Table:
    """Return the points, the best first."""
    table = Table("point", "reward", "95 %", "seeds", "rule", "gain", title="reward of a request on validation worlds")
    table.columns[0].overflow = "fold"
    for point in result.points:
        interval = "" if point.ci95 is None else f"{point.ci95[0]:.4f} … {point.ci95[1]:.4f}"
        figures = [f"{point.reward:.4f}", interval, str(len(point.rewards)), f"{point.rule:.4f}", f"{point.gain:+.2%}"]
        table.add_row(point.name, *figures)
    return table


def _trials(
    out: Path, points: Sequence[Point], fixed: Sequence[str], *, seeds: int, judging_seeds: int
) -> Iterator[Trial]:
    """Yield the trainings, of all points the first seed first: a sweep that is broken off has tried them all."""
    for seed in range(1, seeds + 1):
        for point in points:
            yield Trial(
                point=point.name,
                recipe=point.recipe(seed, fixed),
                folder=out / point.name / f"seed-{seed}",
                n_judging_seeds=judging_seeds,
            )


def _judged(trials: Sequence[Trial], workers: Workers) -> list[tuple[Trial, Judged]]:
    """Return what came of all, those first that are finished already."""
    known = [(trial, judged) for trial in trials if (judged := trial.judged()) is not None]
    finished = {trial.name for trial, _ in known}
    left = [trial for trial in trials if trial.name not in finished]
    if finished:
        told.print(f"{len(finished)} of {len(trials)} trainings are finished already")
    if not left:
        return known
    came = workers.each(run, left, name=lambda trial: trial.name)
    return [*known, *track(came, "trainings", total=len(left), console=told)]


if __name__ == "__main__":
    main()
