"""``meshd models import``: one model in, a bundle of measured variants out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from meshd.cli.models.signing import KeyOption, key_file
from meshd.cli.options import JsonOption

if TYPE_CHECKING:
    from model_registry.convert.drafting import Wishes
    from model_registry.convert.importing import Bundle

Privacy = Literal["device", "household", "public"]


def import_(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="An .onnx, .tflite, .pt2, TorchScript or scikit-learn file.")
    ],
    *,
    name: Annotated[str, typer.Option("--name", help="The model's name in the mesh; the file's unless given.")] = "",
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="FILE.npz",
            help="Usual inputs: an array for each input, first axis the items. Sets int8's ranges, and measures.",
        ),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            "--labels",
            metavar="FILE|KEY",
            help="True answers: .npz, .npy or .csv, or a key of the calibration data.",
        ),
    ] = "",
    variants: Annotated[
        str, typer.Option("--variants", metavar="LIST", help="Of int8,int8-dynamic,fp16,int4,pruned; all unless given.")
    ] = "",
    axis: Annotated[
        list[str] | None,
        typer.Option("--axis", metavar="NAME=MIN..MAX", help="How long a dynamic axis may be; for each axis."),
    ] = None,
    task: Annotated[
        str, typer.Option("--task", help="What it does; 'classification' or 'regression' in it says how to judge it.")
    ] = "",
    privacy: Annotated[
        Privacy | None, typer.Option("--privacy", help="How far its inputs may travel; household unless given.")
    ] = None,
    license_: Annotated[str, typer.Option("--license", help="SPDX expression.")] = "LicenseRef-unknown",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder to make; the model's name unless given."),
    ] = None,
    sign: Annotated[bool, typer.Option("--sign", help="Sign it with your key, so that peers may fetch it.")] = False,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Say that nobody vouches for it; so it is without --sign.")
    ] = False,
    key: KeyOption = None,
    trust_pickle: Annotated[
        bool,
        typer.Option("--trust-pickle", help="Load a format that runs code from the file: you know who made it."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Turn a model into variants for a watch, a phone and a hub, and show what each costs."""
    from msgspec.structs import asdict

    from meshd.cli.output import progress, show, show_json
    from meshd.cli.view.progress_bar import progress_bar
    from model_registry.convert.importing import Import, import_model
    from model_registry.trust.signing_key import SigningKey

    if sign and unsigned:
        raise typer.BadParameter("a model is signed or it is not.", param_hint="--unsigned")
    if labels and calibration is None:
        raise typer.BadParameter("labels are of the items in --calibration.", param_hint="--labels")
    order = Import(
        source=model,
        out=out,
        wishes=_wishes(name, task, license_, privacy, axis or []),
        calibration=calibration,
        labels=labels,
        variants=tuple(word.strip() for word in variants.split(",") if word.strip()),
        trust_pickle=trust_pickle,
        key=SigningKey.load(key_file(key)) if sign or key else None,
    )
    with progress_bar() as bar:
        bundle = import_model(order, bar)
    if json:
        show_json(asdict(bundle.sweep) | {"advice": bundle.advice})
        return
    from model_registry.convert.report import table

    show(table(bundle.sweep, bundle.advice))
    progress(_ended(bundle))


def _wishes(name: str, task: str, license_: str, privacy: Privacy | None, axes: list[str]) -> Wishes:
    from model_registry.convert.axes import parse_axis
    from model_registry.convert.drafting import Wishes

    bounds = dict(parse_axis(option) for option in axes)
    wishes = Wishes(name=name, task=task, license=license_, privacy=privacy, axes=bounds)
    for flaw in wishes.flaws():
        raise typer.BadParameter(f"{flaw.problem} {flaw.hint}".rstrip(), param_hint=f"--{flaw.path[0]}")
    return wishes


def _ended(bundle: Bundle) -> str:
    where = bundle.folder
    return f"Wrote {where} in {bundle.sweep.took_s:.0f} s; see {where}/report.html. Next: meshd models add {where}"
