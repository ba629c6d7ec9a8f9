"""``meshd bench``: what meshd costs on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from meshd.cli.options import JsonOption


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Show in seconds that everything works; the figures mean little.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Measure latency, throughput, discovery, memory and idle power of three daemons on this machine."""
    from meshd.bench import Bench, Effort
    from meshd.bench.report_view import report_view
    from meshd.cli.output import show, show_json

    report = Bench(Effort.quick() if quick else Effort()).run()
    show_json(report) if json else show(report_view(report))
