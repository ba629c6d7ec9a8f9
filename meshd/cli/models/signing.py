"""``meshd models sign`` and ``publisher``: vouch for a bundle with a key of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshd.cli.options import JsonOption

KeyOption = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Private key to use instead of ~/.config/meshd/publisher.pem."),
]


def sign(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder with a manifest and its artifacts.")],
    key: KeyOption = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Write that nobody vouches for it; peers never fetch such a model.")
    ] = False,
) -> None:
    """Vouch for a bundle: hash all its artifacts and sign its manifest, in place."""
    from meshd.cli.output import progress
    from model_registry.extra import needing

    if unsigned and key:
        raise typer.BadParameter("nobody signs an unsigned bundle.", param_hint="--key")
    with needing("convert", "Writing into a manifest"):
        from model_registry.trust.signing import declare_unsigned, sign_bundle
    if unsigned:
        manifest = declare_unsigned(bundle)
        print(f"{manifest.name} {manifest.version}: unsigned")
        return
    from model_registry.trust.signing_key import SigningKey

    own = SigningKey.load(key_file(key))
    manifest = sign_bundle(bundle, own)
    print(f"{manifest.name} {manifest.version}: signed by {own.publisher}")
    here = "Another node" if _is_trusted(own.publisher) else "A node, this one too,"
    progress(f"{here} accepts it after: {_trust_command(own.publisher)}")


def publisher(key: KeyOption = None, json: JsonOption = False) -> None:
    """Print the public key that your models are signed with; the first time, make it."""
    from meshd.cli.output import progress, show_json
    from model_registry.trust.signing_key import SigningKey

    file = key_file(key)
    is_new = not file.exists()
    own = SigningKey.create(file) if is_new else SigningKey.load(file)
    if json:
        show_json({"publisher": own.publisher, "file": file, "created": is_new})
        return
    print(own.publisher)
    if is_new:
        progress(f"Made {file}. Keep a copy in a safe place: without it your models get no new versions.")
    progress(f"A node accepts what it signs after: {_trust_command(own.publisher)}")


def key_file(given: Path | None) -> Path:
    """Return where the private key to sign with lies: the one given, else the user's own."""
    """Return the private key to sign with: the one that is given, or this user's own."""
    from meshd.config.places import publisher_key

    return given or publisher_key()


def _is_trusted(key: str) -> bool:
    from meshd.config import load
    from model_registry.trust.publisher import Publishers

    loaded = load(None).config
    return key in Publishers(loaded.publishers_path, loaded.models.publishers).trusted()


def _trust_command(key: str) -> str:
    return f"meshd models trust {key} --name NAME"
