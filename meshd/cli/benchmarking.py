"""``meshd bench``: what meshd costs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshd.cli.options import JsonOption


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Show in seconds that everything works; the figures mean little.")
    ] = False,
    vision: Annotated[
        Path | None, typer.Option(help="Folder with the .tflite networks of MLPerf Tiny, to compare those as well.")
    ] = None,
    mlserver: Annotated[
        bool, typer.Option("--mlserver", help="Compare with MLServer, which pip installs into a cache of its own.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Measure three daemons on this machine, models on their way and under repair, and what variants gain."""
    from meshd.bench import Bench, Effort
    from meshd.bench.report_view import report_view
    from meshd.cli.output import show, show_json

    report = Bench(Effort.quick() if quick else Effort(), vision=vision, mlserver=mlserver).run()
    show_json(report) if json else show(report_view(report))
