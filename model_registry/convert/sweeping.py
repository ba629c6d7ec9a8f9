"""Makes every variant of a model that makes sense, and measures all of them on this machine."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import onnx

from model_registry.convert.comparison import Comparison
from model_registry.convert.draft import Draft
from model_registry.convert.errors import NotApplicable
from model_registry.convert.imported import Imported
from model_registry.convert.macs import macs
from model_registry.convert.measuring import Candidate, Measurement
from model_registry.convert.named_axes import name_axes
from model_registry.convert.precision import precision_of
from model_registry.convert.processor import processor_name
from model_registry.convert.progress import Progress
from model_registry.convert.sweep import NotMade, Sweep
from model_registry.convert.tflite_macs import tflite_macs
from model_registry.convert.trial import SECONDS_EACH, Trial
from model_registry.convert.variants.recipe import Parent, Recipe
from model_registry.convert.variants.slim import Slim
from model_registry.tier import Precision

WORTH = 0.97
"""A variant must be smaller than this share of its parent's file: below that, it only adds something to choose from."""
_SAME = 1e-3
"""Relative error up to which a slimmed graph still counts as the same model: fusing layers rounds differently."""


@dataclass(frozen=True, kw_only=True)
class Sweeping:
    """One sweep: what of, on which data, into which folder."""

    imported: Imported
    draft: Draft
    comparison: Comparison
    recipes: Sequence[Recipe]
    folder: Path
    """The bundle that is being made; artifacts go to `artifacts/`."""
    today: dt.date
    seconds_each: float = SECONDS_EACH

    def run(self, progress: Progress) -> Sweep:
        """Make and measure everything.

        Raises:
            NotApplicable: the model itself does not give usable answers.
            Refused: the model itself would be refused by every node.

        """
        started = perf_counter()
        (self.folder / "artifacts").mkdir(parents=True, exist_ok=True)
        base, not_made = self._base(progress)
        candidates = [base]
        for recipe in self.recipes:
            progress.begin(f"making {recipe.name}", 1)
            try:
                candidates.append(self._made(recipe, base))
            except NotApplicable as error:
                not_made.append(NotMade(name=recipe.name, reason=str(error)))
        measurement = Measurement(
            draft=self.draft, comparison=self.comparison, today=self.today, seconds_each=self.seconds_each
        )
        made, fallen = measurement.take(candidates, progress)
        return Sweep(
            draft=self.draft,
            origin=self.imported.origin,
            origin_bytes=self.imported.origin_bytes,
            processor=processor_name(),
            made=made,
            not_made=(*not_made, *fallen),
            reference=base.name,
            metric=self.comparison.metric,
            took_s=perf_counter() - started,
        )

    def _base(self, progress: Progress) -> tuple[Candidate, list[NotMade]]:
        """Return what all other variants are made of and compared with: the slimmed model, or the model as it came."""
        progress.begin("slimming the graph", 1)
        if self.imported.format == "tflite":
            return self._as_it_came("int8" if self._takes_integers() else "fp32", self.imported.path), []
        model = onnx.load(self.imported.path)
        named = name_axes(model, self.draft.inputs, self.draft.outputs)
        prepared = self.imported.path.with_name("named.onnx")
        onnx.save(named, prepared)
        precision = precision_of(named)
        slim = self._path(precision)
        try:
            done = Slim().make(Parent(path=prepared, calibration=None), slim)
            self.comparison.expect_same(Trial(slim.read_bytes(), "onnx", self.draft.outputs), _SAME)
        except NotApplicable as error:
            return self._as_it_came(precision, prepared), [NotMade(name="slim", reason=str(error))]
        return self._candidate(precision, precision, slim, done, self.imported.origin_sha256), []

    def _as_it_came(self, precision: Precision, source: Path) -> Candidate:
        target = self._path(precision)
        shutil.copyfile(source, target)
        return self._candidate(precision, precision, target, "", self.imported.origin_sha256)

    def _takes_integers(self) -> bool:
        return all(tensor.dtype in {"int8", "uint8"} for tensor in self.draft.inputs)

    def _made(self, recipe: Recipe, base: Candidate) -> Candidate:
        if base.format == "tflite":
            raise NotApplicable(
                "A .tflite model runs as it is; nothing here can change it.",
                hint="Import the model that it was converted from.",
            )
        target = self._path(recipe.name)
        try:
            done = recipe.make(Parent(path=base.path, calibration=self.comparison.calibration), target)
            _check_worth(target, base.path)
            return self._candidate(recipe.name, recipe.precision, target, done, base.artifact)
        except NotApplicable:
            target.unlink(missing_ok=True)
            raise

    def _candidate(self, name: str, precision: Precision, path: Path, done: str, parent: str) -> Candidate:
        return Candidate(
            name=name,
            precision=precision,
            format=self.imported.format,
            path=path,
            compression=done,
            parent=parent,
            macs=self._macs,
            trial=Trial(path.read_bytes(), self.imported.format, self.draft.outputs),
        )

    @property
    def _macs(self) -> int:
        if self.imported.format == "tflite":
            return tflite_macs(self.imported.path.read_bytes())
        return macs(onnx.load(self.imported.path), self.comparison.item_extents)

    def _path(self, name: str) -> Path:
        return self.folder / "artifacts" / f"{name}.{self.imported.format}"


def _check_worth(made: Path, parent: Path) -> None:
    """Refuse a variant that is hardly smaller than what it was made of.

    Raises:
        NotApplicable: it saves next to nothing.

    """
    size_bytes, parent_bytes = made.stat().st_size, parent.stat().st_size
    if size_bytes > WORTH * parent_bytes:
        raise NotApplicable(f"It would save next to nothing: {size_bytes:,} bytes instead of {parent_bytes:,}.")
