"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EndpointOption = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="ENDPOINT",
        help="Daemon to ask, as unix:/path or tcp://host:port; the one that the configuration describes unless given.",
        envvar="MESHD_ENDPOINT",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", help="Proof for a daemon's TCP endpoint.", envvar="MESHD_TOKEN", show_envvar=True),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
LosslessOption = Annotated[bool, typer.Option("--lossless", help="Let nothing travel in a codec that loses anything.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration to read instead of $MESHD_CONFIG, the user's or the system's.",
    ),
]


def picture_file(file: Path | None) -> Path | None:
    """Refuse a picture that could not be written in the end, before anything is measured or asked for it."""
    if file is not None and file.suffix not in {".svg", ".png"}:
        raise typer.BadParameter(f"{file} is neither .svg nor .png.")
    if file is not None and not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent} to write it in.")
    return file
