"""Signs bundles on disk, and leaves the comments and the layout of their manifests as they are; needs tomlkit."""

import os
from collections.abc import Callable
from pathlib import Path

import tomlkit
from msgspec.structs import replace
from tomlkit import TOMLDocument

from model_registry import manifest as manifests
from model_registry import manifest_text
from model_registry.bundle import MANIFEST, open_member
from model_registry.errors import BundleError
from model_registry.inspection import flaws_of_artifact
from model_registry.manifest import Manifest
from model_registry.pieces import PieceMap
from model_registry.store.disk import appearing
from model_registry.tier import Tier, Variant
from model_registry.trust.signature import signed
from model_registry.trust.signing_key import SigningKey


def sign_bundle(bundle: Path, key: SigningKey) -> Manifest:
    """Sign a bundle's manifest in its file, the root of every artifact's pieces included.

    Raises:
        ManifestError: the manifest is not valid.
        BundleError: an artifact is not the one that the manifest names: nothing is signed that was not looked at.

    """

    def vouch(manifest: Manifest) -> Manifest:
        return signed(replace(manifest, tiers=tuple(_with_pieces(bundle, tier) for tier in manifest.tiers)), key)

    return _rewrite(bundle / MANIFEST, vouch)


def declare_unsigned(bundle: Path) -> Manifest:
    """Write into a bundle's manifest that nobody vouches for it, in place of any signature.

    Raises:
        ManifestError: the manifest is not valid.

    """
    return _rewrite(bundle / MANIFEST, lambda manifest: replace(manifest, unsigned=True, signature=None))


def _with_pieces(bundle: Path, tier: Tier) -> Tier:
    return replace(tier, variants=tuple(_whose_pieces_are_known(bundle, variant) for variant in tier.variants))


def _whose_pieces_are_known(bundle: Path, variant: Variant) -> Variant:
    for flaw in flaws_of_artifact(bundle, replace(variant, pieces=None)):
        raise BundleError(flaw.problem, hint=flaw.hint)
    with open_member(bundle, variant.file) as stream:
        return replace(variant, pieces=PieceMap.of(stream).root)


def _rewrite(path: Path, change: Callable[[Manifest], Manifest]) -> Manifest:
    text = manifest_text.read(path)
    manifest = change(manifests.loads(text, str(path)))
    document = tomlkit.parse(text)
    _write_into(document, manifest)
    written = document.as_string()
    assert manifests.loads(written, str(path)) == manifest, "what was signed is what is written"
    with appearing(path, path.parent) as draft:
        os.fchmod(draft.fileno(), path.stat().st_mode)
        draft.write(written.encode())
    return manifest


def _write_into(document: TOMLDocument, manifest: Manifest) -> None:
    """Set what signing sets: the roots of the pieces, and either `unsigned` or the signature."""
    for key in ("unsigned", "signature"):
        document.pop(key, None)
    for tier, form in zip(document["tiers"], manifest.tiers, strict=True):
        for variant, known in zip(tier["variants"], form.variants, strict=True):
            if known.pieces:
                variant["pieces"] = known.pieces
    if manifest.unsigned:
        document["unsigned"] = True
    if manifest.signature:
        document["signature"] = {"publisher": manifest.signature.publisher, "value": manifest.signature.value}
