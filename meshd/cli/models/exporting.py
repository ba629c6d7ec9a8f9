"""``meshd models export``: one variant as a single ONNX file that carries its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.models.locating import NAME_OR_BUNDLE, locate
from meshd.cli.options import ConfigOption

if TYPE_CHECKING:
    from model_registry.manifest import Manifest
    from model_registry.tier import Variant


def export(
    model: Annotated[str, NAME_OR_BUNDLE],
    onnx: Annotated[Path, typer.Option("--onnx", metavar="FILE", help="File to write.")],
    variant: Annotated[
        str,
        typer.Option("--variant", metavar="TIER[/VARIANT]|VARIANT", help="What to export; the largest tier's first."),
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Write one variant as an ONNX file with the whole manifest in it, for those who pass single files around.

    `meshd models import` gets the artifact back from it bit for bit, and its signature still holds.
    """
    from meshd.net.files import write_atomically
    from model_registry.extra import needing

    with needing("convert", "Writing a manifest into an ONNX file"):
        from model_registry.convert.metadata import embed
    located = locate(model, config)
    chosen = _chosen(located.manifest, variant)
    content = embed(located.content(chosen), located.manifest)
    write_atomically(onnx, content, mode=0o644)
    print(onnx)


def _chosen(manifest: Manifest, wanted: str) -> Variant:
    """Return what a tier, TIER/VARIANT, or the name of one variant alone means."""
    tier_name, _, name = wanted.partition("/")
    tier = manifest.tier(tier_name) if tier_name else manifest.tiers[-1]
    found = [v for v in tier.variants if name in {"", v.name}] if tier else []
    found = found[:1] or [variant for _, variant in manifest.variants() if variant.name == wanted]
    if len(found) != 1:
        known = ", ".join(f"{tier.name}/{variant.name}" for tier, variant in manifest.variants())
        told = f"has several called {wanted}" if found else f"has no {wanted}"
        raise typer.BadParameter(f"{manifest.name} {told}; there are {known}.", param_hint="--variant")
    return found[0]
