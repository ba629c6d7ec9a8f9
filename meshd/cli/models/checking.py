"""``meshd models schema`` and ``check``: what a manifest may say, and whether one says it rightly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.exits import Exit
from meshd.cli.options import JsonOption

if TYPE_CHECKING:
    from model_registry.inspection import Inspection
    from model_registry.manifest import Manifest


def schema(json: JsonOption = True) -> None:  # noqa: ARG001  It is JSON with and without the word.
    """Print the JSON Schema of manifests: every key with its meaning."""
    from meshd.cli.output import show_json
    from model_registry.schema import manifest_schema

    show_json(manifest_schema())


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="BUNDLE|MANIFEST...", help="Folder of a bundle, whose files are hashed too; or a manifest alone."
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Find all that is wrong or doubtful in bundles; exit code 1 when nodes would refuse one."""
    from meshd.cli.output import show_json
    from model_registry.inspection import inspect

    inspections = [inspect(path) for path in paths]
    if json:
        show_json([_document(inspection) for inspection in inspections])
    else:
        for inspection in inspections:
            _print(inspection)
    if not all(inspection.sound for inspection in inspections):
        raise typer.Exit(Exit.FAILED)


def _print(inspection: Inspection) -> None:
    for finding in inspection.findings:
        print(finding.sentence if finding.fatal else f"warning: {finding.sentence}")
        if finding.hint:
            print(f"    {finding.hint}")
    if inspection.sound and (manifest := inspection.manifest):
        print(f"{inspection.source} is fine: {manifest.name} {manifest.version}, {_signer(manifest)}.")


def _signer(manifest: Manifest) -> str:
    return f"signed by {manifest.signature.publisher}" if manifest.signature else "unsigned"


def _document(inspection: Inspection) -> dict[str, object]:
    manifest = inspection.manifest
    return {
        "path": inspection.source,
        "valid": inspection.sound,
        "name": manifest.name if manifest else None,
        "version": manifest.version if manifest else None,
        "publisher": manifest.signature.publisher if manifest and manifest.signature else None,
        "findings": inspection.findings,
    }
