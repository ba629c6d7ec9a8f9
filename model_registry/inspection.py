"""Everything that is wrong or doubtful in a bundle, before anybody else sees it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from model_registry import manifest as manifests
from model_registry import manifest_text
from model_registry.bundle import MANIFEST, open_member
from model_registry.errors import BundleError, ModelUnreadable, RegistryError, SignatureInvalid
from model_registry.flaw import Flaw
from model_registry.manifest import Manifest
from model_registry.pieces import PieceMap
from model_registry.runtime.section_file import taken_out
from model_registry.section import section_of
from model_registry.tier import Tier, Variant
from model_registry.trust.signature import verify

_UNKNOWN_LICENSES = ("NOASSERTION", "NONE")
"""What SPDX has for files of which nobody knows the licence, or that have none; no expressions, and yet right."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that a publisher should know of a bundle."""

    fatal: bool
    """Whether nodes refuse the bundle for it."""
    sentence: str
    """With the file and line in front."""
    hint: str = ""


class Inspection(Struct, frozen=True, kw_only=True):
    """What came of looking at a bundle."""

    source: str
    manifest: Manifest | None
    """None where it has mistakes that keep it from being read."""
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Tell whether a node could accept the bundle."""
        return not any(finding.fatal for finding in self.findings)


def inspect(path: Path) -> Inspection:
    """Look at a manifest; at the artifacts as well where `path` is the folder of a bundle.

    Raises:
        ManifestError: there is no file to look at.

    """
    bundle = path if path.is_dir() else None
    file = path / MANIFEST if bundle else path
    text = manifest_text.read(file)
    if mistakes := manifests.mistakes(text, str(file)):
        findings = tuple(_fatal(error) for error in mistakes)
        return Inspection(source=str(file), manifest=None, findings=findings)
    manifest = manifests.loads(text, str(file))
    flaws = [(False, flaw) for flaw in _doubts(manifest)]
    if bundle:
        flaws += [(True, flaw) for flaw in _flaws_of_artifacts(bundle, manifest)]
        flaws += [(False, flaw) for flaw in _doubts_of_splits(bundle, manifest)]
    flaws += [(True, flaw) for flaw in _flaws_of_signature(manifest)]
    findings = tuple(_finding(flaw, text, str(file), fatal=fatal) for fatal, flaw in flaws)
    return Inspection(source=str(file), manifest=manifest, findings=findings)


def flaws_of_artifact(bundle: Path, variant: Variant) -> Iterator[Flaw]:
    """Yield how a variant's file differs from what its manifest says of it."""
    try:
        with open_member(bundle, variant.file) as stream:
            content = stream.read()
    except BundleError as error:
        yield Flaw(("file",), error.message, error.hint)
        return
    if len(content) != variant.size_bytes:
        yield Flaw(("size_bytes",), f"'{variant.file}' has {len(content)} bytes, not {variant.size_bytes}.")
    digest = hashlib.sha256(content).hexdigest()
    if digest != variant.artifact:
        hint = "Get the file again; or, if the change was meant, correct artifact and calibrate the tier again."
        yield Flaw(("artifact",), f"'{variant.file}' has the SHA-256 {digest}, not {variant.artifact}.", hint)
    elif variant.pieces and variant.pieces != (root := PieceMap.of(content).root):
        hint = "`meshd models sign` computes it."
        yield Flaw(("pieces",), f"The root of the pieces of '{variant.file}' is {root}, not {variant.pieces}.", hint)


def _flaws_of_artifacts(bundle: Path, manifest: Manifest) -> Iterator[Flaw]:
    for t, tier in enumerate(manifest.tiers):
        for v, variant in enumerate(tier.variants):
            yield from (flaw.below("tiers", t, "variants", v) for flaw in flaws_of_artifact(bundle, variant))


def _doubts_of_splits(bundle: Path, manifest: Manifest) -> Iterator[Flaw]:
    for t, tier in enumerate(manifest.tiers):
        for v, variant in enumerate(tier.variants):
            if variant.split is not None:
                flaws = _doubts_of_stages(bundle, manifest, tier, variant)
                yield from (flaw.below("tiers", t, "variants", v, "split") for flaw in flaws)


def _doubts_of_stages(bundle: Path, manifest: Manifest, tier: Tier, variant: Variant) -> Iterator[Flaw]:
    """Yield the stages that cannot be taken out of a variant's file as its split says; nodes run it whole then."""
    assert variant.split is not None, "only what can be cut has stages"
    try:
        with open_member(bundle, variant.file) as stream:
            content = stream.read()
    except BundleError:
        return  # The file itself is told of.
    for stage in range(len(variant.split.stages)):
        try:
            taken_out(content, section_of(manifest, tier, variant, stage, stage + 1))
        except ModelUnreadable as error:
            yield Flaw(("stages", stage), error.message, error.hint)


def _flaws_of_signature(manifest: Manifest) -> Iterator[Flaw]:
    if manifest.signature:
        try:
            verify(manifest)
        except SignatureInvalid as error:
            yield Flaw(("signature",), error.message, error.hint)
    elif not manifest.unsigned:
        hint = "Sign it: meshd models sign BUNDLE. Or say that nobody does: meshd models sign --unsigned BUNDLE"
        yield Flaw((), "It is not signed and does not say so.", hint)


def _doubts(manifest: Manifest) -> Iterator[Flaw]:
    """Yield what nodes put up with, and its author should not."""
    if problem := license_flaw(manifest.license):
        yield Flaw(("license",), problem, "https://spdx.org/licenses lists them; LicenseRef-NAME stands for one's own.")
    for index, tier in enumerate(manifest.tiers):
        yield from (flaw.below("tiers", index) for flaw in _doubts_of_calibration(tier))
        for v, variant in enumerate(tier.variants):
            if manifest.signature and variant.pieces is None:
                hint = "`meshd models sign` adds it."
                problem = f"Variant '{variant.name}' has no root of pieces: no peer can pass it on."
                yield Flaw(("tiers", index, "variants", v), problem, hint)


def _doubts_of_calibration(tier: Tier) -> Iterator[Flaw]:
    if tier.escalation is None:
        return
    for index, variant in enumerate(tier.variants):
        if not tier.calibrated_for(variant):
            problem = (
                f"The escalation of tier '{tier.name}' was shown to hold for artifact "
                f"{tier.escalation.bound.artifact[:16]}, not for variant '{variant.name}'."
            )
            hint = "Calibrate it for this file; until then the variant escalates by a rule that nobody has tried on it."
            yield Flaw(("variants", index, "artifact"), problem, hint)


def license_flaw(expression: str) -> str:
    """Return what keeps a licence from being an SPDX expression; nothing when it is one."""
    if expression in _UNKNOWN_LICENSES:
        return ""
    try:
        canonical = canonicalize_license_expression(expression)
    except InvalidLicenseExpression:
        return f"The licence '{expression}' is no SPDX expression."
    return "" if canonical == expression else f"The licence '{expression}' is spelled '{canonical}' in SPDX."


def _finding(flaw: Flaw, text: str, source: str, *, fatal: bool) -> Finding:
    error = manifest_text.error_of(flaw, text, source)
    return Finding(fatal=fatal, sentence=error.message, hint=error.hint)


def _fatal(error: RegistryError) -> Finding:
    return Finding(fatal=True, sentence=error.message, hint=error.hint)
