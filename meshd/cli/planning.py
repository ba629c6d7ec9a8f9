"""``meshd plan``: where a model would run, what every other way would take, and the map of when which way wins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.connecting import connect
from meshd.cli.options import EndpointOption, JsonOption, LosslessOption, TokenOption, picture_file
from meshd.core.request import Priority, Privacy

if TYPE_CHECKING:
    from meshd.plan_document import PlanDocument

_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def _rate_bps(word: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMG]?)(?:bit/s)?", word)
    if found is None or float(found[1]) == 0.0:
        raise typer.BadParameter(f"{word!r} is no rate, for example 2M or 500k, in bits a second")
    return float(found[1]) * _UNITS[found[2]]


def plan(  # noqa: PLR0917  typer's parameters are options, never positional.
    model: Annotated[str, typer.Argument(help="Name of the model; `meshd models` lists them.")],
    node: Annotated[
        str, typer.Option("--from", metavar="NODE", help="Decide as that node would, by what is known of it here.")
    ] = "",
    bandwidth: Annotated[
        list[str] | None,
        typer.Option("--bandwidth", metavar="RATE", help="Suppose links of this rate, such as 2M. Repeatable."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Items in the request.")] = 1,
    priority: Annotated[Priority, typer.Option(help="How urgent it is.")] = Priority.NORMAL,
    privacy: Annotated[Privacy, typer.Option(help="How far the input may travel.")] = Privacy.HOUSEHOLD,
    length: Annotated[
        int | None, typer.Option(min=1, help="Elements of each item along the model's free axes; else the fewest.")
    ] = None,
    lossless: LosslessOption = False,
    picture: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="Draw when which way wins, as .svg or .png.", callback=picture_file),
    ] = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Show the ways to run a model with what each would take, and which would be chosen. Nothing is run.

    Of many ways to split it over the same nodes the soonest and the cheapest are weighed; the others are only named.
    """
    from meshd.cli.output import progress, show, show_json
    from meshd.cli.view.plan_view import plan_view
    from meshd.core.ids import ModelName
    from meshd.plan_document import PlanQuestion

    question = PlanQuestion(
        model=ModelName(model),
        node=node,
        rates_bps=tuple(_rate_bps(word) for word in bandwidth or ()),
        batch=batch,
        priority=priority,
        privacy=privacy,
        length=length or 0,
        lossless=lossless,
    )
    with connect(endpoint, token) as mesh:
        document = mesh.plan(question)
    if picture is not None:
        _draw(document, picture)
        progress(f"wrote {picture}")
    show_json(document) if json else show(plan_view(document))


def _draw(document: PlanDocument, picture: Path) -> None:
    from meshd.cli.view.plan_picture import save_picture
    from meshd.cli.view.plan_scene import scene_of

    scene = scene_of(document)
    save_picture(scene.map, picture, title=scene.title, subtitle=scene.subtitle, marks=scene.marks)
