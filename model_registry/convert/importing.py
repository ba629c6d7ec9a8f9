"""One model in, one bundle out: a manifest, the artifacts that it names, and the page that shows what they cost."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from model_registry import manifest as manifests
from model_registry.advice.recommendation import Advice
from model_registry.bundle import MANIFEST
from model_registry.convert.drafting import Wishes, draft, model_name
from model_registry.convert.errors import ModelRefused, NotApplicable
from model_registry.convert.progress import Progress
from model_registry.convert.quiet import quiet
from model_registry.convert.sweep import Sweep
from model_registry.convert.tiering import advice_for, tiers_of
from model_registry.extra import needing
from model_registry.manifest import Manifest
from model_registry.trust.signature import signed
from model_registry.trust.signing_key import SigningKey

REPORT = "report.html"


@dataclass(frozen=True, kw_only=True)
class Import:
    """What is imported, and what its owner says about it."""

    source: Path
    out: Path | None = None
    """The bundle's folder; one named after the model, in the present folder, unless given."""
    wishes: Wishes = field(default_factory=Wishes)
    calibration: Path | None = None
    labels: str = ""
    variants: Sequence[str] = ()
    trust_pickle: bool = False
    seconds_each: float = 1.5
    """Spent on timing each variant; a fast one then has hundreds of runs, and a sweep of six takes ten seconds."""
    key: SigningKey | None = None
    """None: the manifest says that nobody vouches for it."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What an import wrote."""

    folder: Path
    manifest: Manifest
    sweep: Sweep
    advice: tuple[Advice, ...]
    """For a typical device of each class, weakest first."""


def import_model(order: Import, progress: Progress) -> Bundle:
    """Read, convert, measure, recommend, and write the bundle. Nothing is left behind if it does not get that far.

    Raises:
        ModelRefused, SamplesRefused, ExtraMissing, Refused: what is wrong, and what to do.

    """
    with needing("convert", "Importing a model"):
        import onnx  # noqa: F401, PLC0415 - an extra; asked for here so that its absence is told in one sentence.
        import onnxslim  # noqa: F401, PLC0415
    folder = order.out or Path(order.wishes.name or model_name(order.source.name))
    with _appearing(folder) as unfinished:
        sweep = _sweep(order, unfinished, progress)
        advice = advice_for(sweep)
        manifest = _written(sweep, advice, order.key, unfinished)
    return Bundle(folder=folder, manifest=manifest, sweep=sweep, advice=advice)


def _sweep(order: Import, folder: Path, progress: Progress) -> Sweep:
    from model_registry.convert.carried import completed, described  # noqa: PLC0415 - needs the extra.
    from model_registry.convert.comparison import compare  # noqa: PLC0415
    from model_registry.convert.readers.reading import read  # noqa: PLC0415
    from model_registry.convert.readers.reading_options import ReadingOptions  # noqa: PLC0415
    from model_registry.convert.samples import read_samples  # noqa: PLC0415
    from model_registry.convert.sweeping import Sweeping  # noqa: PLC0415
    from model_registry.convert.variants.recipes import recipes  # noqa: PLC0415

    today = dt.datetime.now(dt.UTC).date()
    wanted = recipes(order.variants)
    samples = read_samples(order.calibration, order.labels) if order.calibration else None
    progress.begin(f"reading {order.source.name}", 1)
    examples = samples.arrays if samples else {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        options = ReadingOptions(trust_pickle=order.trust_pickle, examples=examples)
        imported = read(order.source, Path(scratch), options)
        drafted = described(draft(imported, completed(order.wishes, imported), samples, today=today), imported.manifest)
        try:
            comparison = compare(drafted, imported, samples, calibrate=any(recipe.name == "int8" for recipe in wanted))
            sweeping = Sweeping(
                imported=imported,
                draft=drafted,
                comparison=comparison,
                recipes=wanted,
                folder=folder,
                today=today,
                seconds_each=order.seconds_each,
            )
            return sweeping.run(progress)
        except NotApplicable as error:
            raise ModelRefused(f"{imported.origin} is of no use as it is. {error.message}", hint=error.hint) from error


def _written(sweep: Sweep, advice: Sequence[Advice], key: SigningKey | None, folder: Path) -> Manifest:
    """Write manifest and page, and remove the artifacts that no tier has."""
    with quiet():  # The first import of matplotlib on a machine tells of its fonts.
        from model_registry.convert.report import write_page  # noqa: PLC0415 - needs the extra.

    manifest = sweep.draft.manifest(tiers_of(sweep, advice), unsigned=key is None)
    if key is not None:
        manifest = signed(manifest, key)
    text = manifests.dumps(manifest)
    manifests.loads(text, MANIFEST)  # What we write, every node must be able to read.
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    used = {variant.file for _, variant in manifest.variants()}
    for made in sweep.made:
        if made.variant.file not in used:
            (folder / made.variant.file).unlink()
    write_page(sweep, advice, folder / REPORT)
    return manifest


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a folder that appears at `folder` when all is written, or not at all.

    Raises:
        ModelRefused: something is there already, or nothing can be written there.

    """
    if folder.exists():
        raise ModelRefused(f"{folder} is there already.", hint="Remove it, or choose another folder with --out.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ModelRefused(f"{folder} cannot be written: {error.strerror}.", hint="Choose another --out.") from error
    try:
        yield unfinished
        unfinished.chmod(0o777 & ~_umask())
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _umask() -> int:
    """Return the process's mask of permissions, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
