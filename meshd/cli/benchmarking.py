"""``meshd bench``: what meshd costs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.options import JsonOption, picture_file
from meshd.errors import SetupError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from meshd.bench import Report
    from meshd.bench.partitions import Partitions


_ONLY_MAPS = "with it only maps are drawn; of the other options --vision alone counts."


def bench(  # noqa: PLR0917  typer's parameters are options, never positional.
    quick: Annotated[
        bool, typer.Option("--quick", help="Show in a few minutes that everything works; the figures mean little.")
    ] = False,
    vision: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder with the .tflite networks of MLPerf Tiny, to compare those as well, and with "
            "mobilenet_v2_quant.onnx, for plans and maps.",
        ),
    ] = None,
    mlserver: Annotated[
        bool, typer.Option("--mlserver", help="Compare with MLServer, which pip installs into a cache of its own.")
    ] = False,
    plans: Annotated[
        bool, typer.Option("--plans", help="Only compare plans over slow links, a stream and the cost of cutting.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", metavar="FILE", help="Draw the plans as well, as .svg or .png.", callback=picture_file
        ),
    ] = None,
    maps: Annotated[
        Path | None, typer.Option("--maps", metavar="DIR", help="Only draw the map of plans of each of four models.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure three daemons on this machine, models on their way and under repair, and what variants gain."""
    if maps is not None:
        if any((quick, mlserver, plans, picture, json)):
            raise typer.BadParameter(_ONLY_MAPS, param_hint="--maps")
        _draw_maps(maps, vision)
        return
    from meshd.bench.plans_picture import save_picture
    from meshd.cli.output import show, show_json

    found, view = _partitions(vision, quick=quick) if plans else _everything(vision, quick=quick, mlserver=mlserver)
    if picture is not None:
        save_picture(found.plans, picture)
    show_json(found) if json else show(view)


def _everything(vision: Path | None, *, quick: bool, mlserver: bool) -> tuple[Report, RenderableType]:
    from meshd.bench import Bench, Effort
    from meshd.bench.report_view import report_view

    report = Bench(Effort.quick() if quick else Effort(), vision=vision, mlserver=mlserver).run()
    return report, report_view(report)


def _partitions(vision: Path | None, *, quick: bool) -> tuple[Partitions, RenderableType]:
    import asyncio

    from meshd.bench.plans_view import plans_view
    from model_registry.extra import needing

    with needing("convert", "Comparing plans"):
        from meshd.bench.partitions import PartitionsEffort, measure_partitions
    effort = PartitionsEffort.quick() if quick else PartitionsEffort()
    found = asyncio.run(measure_partitions(effort, files=vision))
    return found, plans_view(found.plans, found.pipeline)


def _draw_maps(folder: Path, vision: Path | None) -> None:
    import asyncio

    from model_registry.extra import needing

    with needing("convert", "Drawing maps"):
        from meshd.bench.plan_maps import draw_maps
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{folder} cannot be made: {error.strerror}.", hint="Name a folder to draw into.") from error
    asyncio.run(draw_maps(folder, files=vision))
