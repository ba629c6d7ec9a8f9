"""``meshd models recommend``: which variant fits which device, before anything is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.connecting import connect
from meshd.cli.options import EndpointOption, JsonOption, TokenOption

if TYPE_CHECKING:
    from meshd.client import Client
    from meshd.documents import ManifestDocument
    from model_registry.advice.device import Device
    from model_registry.manifest import Manifest

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Folder or manifest of a bundle, or the name of a model that the daemon has.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NODE|CLASS",
        help="Tell all about one device: a node's name, or watch, phone, hub, upstream.",
    ),
]
DeadlineOption = Annotated[
    float | None, typer.Option("--deadline", metavar="SECONDS", min=1e-6, help="Time that one run may take.")
]
LossOption = Annotated[
    float,
    typer.Option(
        "--tolerate", metavar="POINTS", min=0.0, max=100.0,
        help="Points of accuracy that a variant may lose; on the mains a tenth of it.",
    ),
]  # fmt: skip


def recommend(  # noqa: PLR0917  typer's parameters are options, never positional.
    model: ModelArgument,
    device: DeviceOption = None,
    deadline: DeadlineOption = None,
    tolerate: LossOption = 1.0,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Advise which devices can run a model, in which variant, how fast and at what cost in energy.

    Every class of devices is weighed, and every node of the mesh where a daemon answers.
    """
    from meshd.cli.output import show, show_json
    from meshd.cli.view.advice_view import advice_view, devices_view
    from model_registry.advice.recommendation import Wish
    from model_registry.advice.tier_advice import recommend_tier

    manifest, devices = _weighed(model, device, endpoint, token)
    if device is not None and device not in devices:
        raise typer.BadParameter(
            f"there is no '{device}' here. There are: {', '.join(devices)}.", param_hint="--device"
        )
    wish = Wish(deadline_s=deadline, tolerated_loss=tolerate / 100)
    asked = devices.values() if device is None else [devices[device]]
    advice = [recommend_tier(manifest, each, wish) for each in asked]
    if json:
        show_json(advice)
    else:
        show(devices_view(manifest, advice) if device is None else advice_view(manifest, advice[0]))


def _weighed(
    model: str, device: str | None, endpoint: str | None, token: str | None
) -> tuple[Manifest, dict[str, Device]]:
    """Return the model and the devices that may be asked about: nodes only where a daemon answers.

    Raises:
        RegistryError: what is named is there and is no manifest.
        DaemonUnreachable: no daemon answers, and the device is none that could be known without.
    """
    from meshd.cli.models.devices import classes, nodes, with_measured
    from meshd.cli.models.locating import is_name, locate
    from meshd.cli.output import progress
    from meshd.errors import DaemonUnreachable

    typical = classes()
    manifest = _read(Path(model)) if Path(model).exists() and not is_name(model) else None
    if manifest and device in typical:
        return manifest, typical
    try:
        with connect(endpoint, token) as mesh:
            manifest = manifest or _named(mesh, model)
            return with_measured(manifest, mesh.models()), typical | nodes(mesh.status(), mesh.peers())
    except DaemonUnreachable:
        if device is not None and device not in typical:
            raise
        progress("No daemon answers here: the classes are weighed, and no node.")
        return manifest or locate(model, None).manifest, typical


def _named(mesh: Client, model: str) -> Manifest:
    """Return the manifest of a model of the daemon; where it has none of that name, of a bundle that lies here."""
    from meshd.cli.output import progress
    from meshd.errors import UnknownQuery

    is_here = Path(model).exists()
    try:
        manifest = _parsed(mesh.manifest(model))
    except UnknownQuery:
        if not is_here:
            raise
        return _read(Path(model))
    if is_here:
        progress(f"'{model}' is the daemon's model here. For the folder, name ./{model}")
    return manifest


def _read(path: Path) -> Manifest:
    """Return the manifest of a bundle.

    Raises:
        RegistryError: there is none, or it has a mistake.
    """
    from model_registry import manifest as manifests
    from model_registry.bundle import MANIFEST
    from model_registry.errors import BundleError

    if path.is_dir() or path.suffix == ".toml":
        return manifests.load(path / MANIFEST if path.is_dir() else path)
    raise BundleError(
        f"{path} says nothing of what it costs.",
        hint=f"`meshd models import {path}` makes variants of it, measures them and advises; "
        "afterwards name the folder that it writes.",
    )


def _parsed(document: ManifestDocument) -> Manifest:
    from model_registry import manifest as manifests

    return manifests.loads(document.text, document.model)
