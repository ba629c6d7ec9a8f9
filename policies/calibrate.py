"""Fit the simulator to real daemons, and hold what it then foretells against what they take.

``python -m policies.calibrate --out build/mesh``

A watch, a phone and a hub start as processes on this machine, behind links that are made slow. They are timed under a
calibration load, and then asked a load that no fit has seen; the simulator is asked the same at the same moments.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace
from rich.console import Console

from meshd.core.policy import LeastExpectedCost
from policies.command import run_command
from policies.mesh.calibration import Calibration, calibrated
from policies.mesh.comparison import Comparison, compared
from policies.mesh.form import Form
from policies.mesh.question import MODEL
from policies.mesh.recording import Recording, Wishes, read, record, save
from policies.mesh.rehearsal import rehearsed
from policies.mesh.report import calibration_tables, comparison_tables, draw, write_json
from policies.mesh.stages import shown

_PAPER_WIDTH = 120

told = Console(stderr=True)


def calibrate(  # noqa: PLR0917 - each is an option of the command line
    out: Annotated[Path, typer.Option(help="Folder of the results; made if need be.")] = Path("build/mesh"),
    seconds: Annotated[float, typer.Option(min=1.0, help="How long the load lasts that is held out.")] = 40.0,
    repeats: Annotated[int, typer.Option(min=1, help="How often each node is asked for each tier and length.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the order of questions and of the load.")] = 1,
    recording: Annotated[
        Path | None, typer.Option(help="recording.json of an earlier run, to fit and compare anew; starts no daemon.")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for what the daemons keep, logs included.")] = None,
) -> None:
    """Start daemons, time them, fit the simulator, and compare both on a load that is held out.

    OUT holds recording.json (all that was timed), calibration.json (what was fitted), report.json and report.svg.
    """
    out.mkdir(parents=True, exist_ok=True)
    if recording is None:
        with shown(told) as stage:
            found = asyncio.run(record(Form(), Wishes(seed=seed, repeats=repeats, lasts_s=seconds), stage, keep))
        save(found, out / "recording.json")
    else:
        found = read(recording)
    calibration = calibrated(found.timings, MODEL)
    (out / "calibration.json").write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=1))
    comparison = foretold(found, calibration)
    write_json(comparison, out / "report.json")
    draw(comparison, out / "report.svg")
    paper = Console(width=None if Console().is_terminal else _PAPER_WIDTH)
    for table in (*calibration_tables(calibration), *comparison_tables(comparison)):
        paper.print(table)
    told.print(f"results: {out}")


def foretold(recording: Recording, calibration: Calibration) -> Comparison:
    """Play the load that was held out in the simulator, each question when it was asked indeed, and compare."""
    asked = [
        replace(question, at_s=heard.sent_s) for question, heard in zip(recording.load, recording.heard, strict=True)
    ]
    rehearsal = rehearsed(calibration, recording.timings.lessons, asked, LeastExpectedCost)
    return compared(recording.load, recording.heard, rehearsal.ends)


def main() -> None:
    """Run the command line."""
    run_command(lambda: typer.run(calibrate), told)


if __name__ == "__main__":
    main()
