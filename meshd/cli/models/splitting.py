"""``meshd models split``: find where a bundle's models may be cut, prove it, and write it into the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.options import JsonOption

if TYPE_CHECKING:
    from model_registry.partition.bundle_splitting import Divided, Outcome


def split(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder with a manifest and its artifacts.")],
    *,
    variant: Annotated[
        str, typer.Option("--variant", metavar="TIER[/VARIANT]|VARIANT", help="What to split; all unless given.")
    ] = "",
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples",
            metavar="FILE.npz",
            help="Usual inputs: an array for each, first axis the items; else noise, and no codecs.",
        ),
    ] = None,
    most_error: Annotated[
        float,
        typer.Option(
            "--most-error", metavar="SHARE", min=0.0, max=1.0, help="Of the largest output: what a codec may change."
        ),
    ] = 0.01,
    least_agreement: Annotated[
        float,
        typer.Option(
            "--least-agreement",
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="Of the samples: those that have to be answered alike behind a codec.",
        ),
    ] = 0.995,
    cuts: Annotated[int, typer.Option("--cuts", metavar="N", min=1, max=15, help="Most places to offer.")] = 5,
    json: JsonOption = False,
) -> None:
    """Let several nodes run one request: find the places to cut each variant at, and prove every one of them.

    The bundle is changed in place. Each file that can be cut is replaced by one that computes the same, its nodes fused
    and ordered by stages; a signature does not hold for that and is dropped.
    """
    from meshd.cli.output import progress, show, show_json
    from meshd.cli.view.progress_bar import progress_bar
    from model_registry.extra import needing

    with needing("convert", "Splitting a model"):
        from meshd.cli.view.split_view import split_view
        from model_registry.partition.bundle_splitting import SplitOrder, split_bundle
        from model_registry.partition.effects import Bounds
    _check(bundle)
    bounds = Bounds(most_error=most_error, least_agreement=least_agreement)
    order = SplitOrder(bundle=bundle, variant=variant, samples=samples, most=cuts, bounds=bounds)
    with progress_bar() as bar:
        outcome = split_bundle(order, bar)
    if json:
        show_json(_document(outcome))
    else:
        show(split_view(outcome))
    for sentence in _remarks(outcome, bundle):
        progress(sentence)


def _check(bundle: Path) -> None:
    """Tell what is no bundle, and how it becomes one.

    Raises:
        InvalidInput: it is none.
    """
    from meshd.errors import InvalidInput
    from model_registry.bundle import MANIFEST

    if bundle.is_file() and bundle.name != MANIFEST:
        hint = f"Make a bundle of it first: meshd models import {bundle}"
        raise InvalidInput(
            f"{bundle} is a file, and only a bundle can be split: a folder with a {MANIFEST}.", hint=hint
        )
    if not bundle.exists():
        hint = f"Name the folder that holds a {MANIFEST}; `meshd models import FILE` makes one of a model."
        raise InvalidInput(f"There is no folder {bundle}.", hint=hint)
    if bundle.is_dir() and not (bundle / MANIFEST).is_file():
        hint = "`meshd models import FILE` makes a bundle of a model."
        raise InvalidInput(f"{bundle} is no bundle: it holds no {MANIFEST}.", hint=hint)


def _remarks(outcome: Outcome, bundle: Path) -> list[str]:
    """Return what its owner has to do now."""
    said = [f"{name} stays whole: {why}" for name, why in outcome.whole.items()]
    said += [
        f"Calibrate the escalation of tier {tier} again: its new file does not answer bit for bit as the old one did."
        for tier in outcome.recalibrate
    ]
    said += [
        f"Input {name} is the same in every sample, which proves nothing: it gets no codecs. Give it as it is in use."
        for name in outcome.unvarying
    ]
    if outcome.lost_signature:
        said.append(f"The signature is void and was dropped. Sign it again: meshd models sign {bundle}")
    else:
        said.append(f"Next: meshd models sign {bundle}, and meshd models add {bundle}")
    return said


def _document(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.manifest.name,
        "variants": [_variant(each) for each in outcome.divided],
        "whole": outcome.whole,
        "inputs": outcome.manifest.inputs,
        "unvarying": outcome.unvarying,
        "lost_signature": outcome.lost_signature,
        "recalibrate": outcome.recalibrate,
    }


def _variant(each: Divided) -> dict[str, object]:
    parts = each.parts
    return {
        "tier": each.tier,
        "variant": each.variant.name,
        "artifact": each.variant.artifact,
        "size_bytes": each.variant.size_bytes,
        "size_bytes_before": each.bytes_before,
        "error_against_original": parts.from_original.error,
        "agreement_with_original": parts.from_original.agreement,
        "took_s": each.took_s,
        "split": each.variant.split,
        "timed": [
            {"head_ms": t.head_ms, "tail_ms": t.tail_ms, "whole_ms": t.whole_ms, "ratio": t.ratio} for t in parts.timed
        ],
    }
