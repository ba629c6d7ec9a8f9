"""``meshd demo``: a whole household on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshd.cli.exits import Exit
from meshd.cli.options import JsonOption


def _duration(seconds: float | None) -> float | None:
    if seconds is not None and not 1.0 <= seconds < float("inf"):  # NaN is no time, either.
        raise typer.BadParameter(f"{seconds:g} is no number of seconds from 1 up")
    return seconds


def _ecg(source: str | None) -> str | None:
    if source == "":
        raise typer.BadParameter("name a file, or a record such as mitdb:119")
    return source


def demo(  # noqa: PLR0917  typer's parameters are options, never positional.
    duration: Annotated[
        float | None,
        typer.Option(
            "--duration",
            metavar="SECONDS",
            help="Play for this long; the whole stream once unless given.",
            callback=_duration,
        ),
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", metavar="N|max", help="Ten-second windows played each second, or 'max'.")
    ] = "20",
    ecg: Annotated[
        str | None,
        typer.Option(
            "--ecg",
            metavar="FILE|mitdb:N",
            help="Play this recording instead: npz, WFDB, a record of PhysioNet, or a CSV with one sample a line, "
            "the ECG in its last column, in millivolts or in counts, 200 per millivolt.",
            callback=_ecg,
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", metavar="HZ", help="Sample rate of a CSV; the other forms tell theirs.")
    ] = 360.0,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep configurations and logs in this directory.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Start a watch, a phone and a hub that find each other and watch over a real ECG."""
    from meshd.cli.output import show, show_json
    from meshd.demo import Demo, DemoOptions
    from meshd.demo.report import report_view

    options = DemoOptions(
        duration_s=duration, windows_per_s=_windows_per_s(speed), ecg=ecg, csv_rate_hz=rate, folder=keep
    )
    report, remarks = Demo(options).run()
    show_json(report) if json else show(report_view(report, remarks))
    if not report.sound:
        raise typer.Exit(Exit.FAILED)


def _windows_per_s(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        rate = float(speed)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < float("inf"):
        raise typer.BadParameter(f"{speed!r} is neither a number above zero nor 'max'", param_hint="--speed")
    return rate
