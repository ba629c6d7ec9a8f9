"""``meshd models add``, ``fetch``, ``remove``, ``pin`` and ``unpin``: what a running daemon keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.connecting import connect
from meshd.cli.options import EndpointOption, JsonOption, TokenOption

if TYPE_CHECKING:
    from meshd.documents import Done, Taken

ModelArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model; `meshd models` lists them.")]


def add(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a bundle, or the manifest in it.")],
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Bring a model to the daemon: it is tried, hosted, and lent to peers if it is signed.

    What was interrupted goes on where it stopped when it is added again.
    """
    from meshd.cli.view.progress_bar import progress_bar

    with connect(endpoint, token) as mesh, progress_bar() as bar:
        bar.begin("bringing it to the daemon", 1)
        taken = mesh.install_model(bundle, progress=bar.reach)
    _tell_taken(taken, json=json)


def fetch(
    model: ModelArgument, endpoint: EndpointOption = None, token: TokenOption = None, json: JsonOption = False
) -> None:
    """Take a model over from peers now, also one that the configuration does not fetch; its publisher must be trusted.

    What this node runs may be removed from its disk to make room, pinned models never.
    """
    with connect(endpoint, token) as mesh:
        _tell_taken(mesh.fetch_model(model), json=json)


def remove(
    model: ModelArgument, endpoint: EndpointOption = None, token: TokenOption = None, json: JsonOption = False
) -> None:
    """Remove a model from the daemon's node; it is not fetched again until you ask for it."""
    with connect(endpoint, token) as mesh:
        _tell_done(mesh.remove_model(model), json=json)


def pin(
    model: ModelArgument, endpoint: EndpointOption = None, token: TokenOption = None, json: JsonOption = False
) -> None:
    """Never remove a model from this node to make room for others."""
    with connect(endpoint, token) as mesh:
        _tell_done(mesh.pin_model(model), json=json)


def unpin(
    model: ModelArgument, endpoint: EndpointOption = None, token: TokenOption = None, json: JsonOption = False
) -> None:
    """Let a model be removed again to make room."""
    with connect(endpoint, token) as mesh:
        _tell_done(mesh.pin_model(model, pinned=False), json=json)


def _tell_taken(taken: Taken, *, json: bool) -> None:
    from meshd.cli.output import progress, show_json

    if json:
        show_json(taken)
        return
    print(f"{taken.model} {taken.version}: {taken.hosted or 'nothing of it'} runs here")
    for obstacle in taken.obstacles:
        progress(obstacle)
    if others := [variant for variant in taken.kept if variant != taken.hosted]:
        progress(f"Kept beside it, for other devices: {', '.join(others)}.")
    if taken.left_out:
        progress(f"Left out, for models.disk_budget_bytes has no room: {', '.join(taken.left_out)}.")


def _tell_done(done: Done, *, json: bool) -> None:
    from meshd.cli.output import show_json

    show_json(done) if json else print(done.sentence)
