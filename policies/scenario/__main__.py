"""Look at worlds: ``python -m policies.scenario show FAMILY --seed N``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from policies.command import run_command
from policies.scenario.comparison import Compared, compare_arrivals, compare_bandwidths
from policies.scenario.drawing.draw import draw
from policies.scenario.families import family, family_names
from policies.scenario.picture import draw_picture
from policies.scenario.scenario import Split
from policies.scenario.table import world_tables

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Worlds that policies are trained and tested on.")
console = Console()

Traces = Annotated[Path | None, typer.Option(help="Folder of bandwidth traces, 'seconds megabits_per_second' a line.")]
Arrivals = Annotated[Path | None, typer.Option(help="CSV of arrivals, of the form of Azure's LLM inference traces.")]


@app.command("list")
def show_families() -> None:
    """List the families that ship."""
    table = Table("family", "split", "lasts", "what")
    for name in family_names():
        one = family(name)
        table.add_row(name, one.split, f"{one.horizon_s:g} s", one.summary)
    console.print(table)


@app.command()
def show(  # noqa: PLR0917 - each is an option of the command line
    name: Annotated[str, typer.Argument(metavar="FAMILY", help="A family's name, or a TOML file of one.")],
    seed: Annotated[int, typer.Option(help="Which of its worlds.")] = 0,
    split: Annotated[Split | None, typer.Option(help="Devices and recordings of another split.")] = None,
    traces: Traces = None,
    arrivals: Arrivals = None,
    picture: Annotated[Path | None, typer.Option(help="Where the picture goes; FAMILY-SEED.png otherwise.")] = None,
) -> None:
    """Print one world and write a picture of it."""
    scenario = draw(family(name), seed, split=split, traces=traces, arrivals=arrivals)
    console.print(world_tables(scenario))
    path = picture or Path(f"{scenario.family}-{seed}.png")
    draw_picture(scenario, path)
    console.print(f"picture: {path}")


@app.command()
def compare(traces: Traces = None, arrivals: Arrivals = None) -> None:
    """Compare the built-in processes with recordings."""
    found: list[Compared] = []
    if traces is not None:
        found += compare_bandwidths(traces)
    if arrivals is not None:
        found += compare_arrivals(arrivals)
    table = Table("what", "recorded", "built in")
    for one in found:
        table.add_row(one.what, f"{one.recorded:.3g}", f"{one.built_in:.3g}")
    console.print(table)


def main() -> None:
    """Run the command line."""
    run_command(app, Console(stderr=True))


if __name__ == "__main__":
    main()
