"""Makes every variant of a model that makes sense, and measures all of them on this machine."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import onnx

from model_registry.convert.comparison import Comparison
from model_registry.convert.draft import Draft
from model_registry.convert.errors import NotApplicable
from model_registry.convert.imported import Imported
from model_registry.convert.macs import macs
from model_registry.convert.measuring import Candidate, Measurement
from model_registry.convert.named_axes import name_axes
from model_registry.convert.packing import packed
from model_registry.convert.precision import precision_of
from model_registry.convert.processor import processor_name
from model_registry.convert.progress import Progress
from model_registry.convert.sweep import NotMade, Sweep
from model_registry.convert.tflite_macs import tflite_macs
from model_registry.convert.trial import Trial
from model_registry.convert.variants.recipe import Parent, Recipe, tool
from model_registry.convert.variants.slim import Slim
from model_registry.tier import Precision

WORTH = 0.97
"""A variant must be smaller than this share of its parent's file: below that, it only adds something to choose from."""
_GROWN = 1.05
"""How much larger than the model as it came a slimmed one may be."""
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
    seconds_each: float
    """Spent on timing each variant."""

    def run(self, progress: Progress) -> Sweep:
        """Make and measure everything.

        Raises:
            NotApplicable: the model itself does not give usable answers.
            Refused: the model itself would be refused by every node.

        """
        started = perf_counter()
        (self.folder / "artifacts").mkdir(parents=True, exist_ok=True)
        progress.begin("slimming the graph", 1)
        base, parent, not_made = self._base()
        candidates = [base]
        if parent:
            made, fallen = self._variants(parent, base, progress)
            candidates += made
            not_made += fallen
        measurement = Measurement(
            draft=self.draft, comparison=self.comparison, today=self.today, seconds_each=self.seconds_each
        )
        measured, refused = measurement.take(candidates, progress)
        return Sweep(
            draft=self.draft,
            origin=self.imported.origin,
            origin_bytes=self.imported.origin_bytes,
            processor=processor_name(),
            made=measured,
            not_made=(*not_made, *refused),
            reference=base.name,
            metric=self.comparison.metric,
            took_s=perf_counter() - started,
        )

    def _base(self) -> tuple[Candidate, Parent | None, list[NotMade]]:
        """Return what variants are compared with, and what they are made of: the slimmed model, if slimming was sound.

        A graph that computes its weights from smaller constants grows when these are folded: then the slimmed graph is
        only what variants are made of.
        """
        if self.imported.format == "tflite":
            unchanged = NotMade(
                name=", ".join(recipe.name for recipe in self.recipes),
                reason="A .tflite model runs as it is, and nothing here can change it. "
                "Import the model that it was converted from.",
            )
            counted = tflite_macs(self.imported.path.read_bytes())
            precision: Precision = "int8" if self._takes_integers() else "fp32"
            return self._first(precision, self.imported.path, counted=counted), None, [unchanged]
        named, slim = (self.imported.path.with_name(name) for name in ("named.onnx", "slim.onnx"))
        onnx.save(name_axes(onnx.load(self.imported.path), self.draft.inputs, self.draft.outputs), named)
        calibration = self.comparison.calibration
        try:
            done = Slim().make(Parent(named, calibration), slim)
            self.comparison.expect_same(Trial(slim.read_bytes(), "onnx", self.draft.outputs), _SAME)
        except NotApplicable as error:
            model = onnx.load(named)
            base = self._first(precision_of(model), named, counted=self._macs(model))
            return base, Parent(named, calibration), [NotMade(name="slim", reason=str(error))]
        best, did = (slim, done) if slim.stat().st_size <= _GROWN * named.stat().st_size else (named, "")
        parent = Parent(slim, calibration)
        counted = self._macs(parent.model)
        return self._first(precision_of(onnx.load(best)), best, done=did, counted=counted), parent, []

    def _macs(self, model: Any) -> int:
        return macs(model, self.comparison.item_extents, self.comparison.evaluation.one())

    def _variants(self, parent: Parent, base: Candidate, progress: Progress) -> tuple[list[Candidate], list[NotMade]]:
        made, fallen = [], []
        for recipe in self.recipes:
            progress.begin(f"making {recipe.name}", 1)
            try:
                made.append(self._made(recipe, parent, base))
            except NotApplicable as error:
                fallen.append(NotMade(name=recipe.name, reason=str(error)))
        return made, fallen

    def _first(self, precision: Precision, source: Path, *, done: str = "", counted: int = 0) -> Candidate:
        target = self._path(precision)
        shutil.copyfile(source, target)
        return self._candidate(
            precision, precision, target, done=done, parent=self.imported.origin_sha256, counted=counted
        )

    def _takes_integers(self) -> bool:
        return all(tensor.dtype in {"int8", "uint8"} for tensor in self.draft.inputs)

    def _made(self, recipe: Recipe, parent: Parent, base: Candidate) -> Candidate:
        if recipe.name == base.name:
            raise NotApplicable(f"The model is {base.name} as it came.")
        target = self._path(recipe.name)
        try:
            done = recipe.make(parent, target)
            with tool("packing"):
                onnx.save(packed(onnx.load(target)), target)
            _check_worth(target, base.path)
            return self._candidate(
                recipe.name, recipe.precision, target, done=done, parent=base.artifact, counted=base.macs
            )
        except NotApplicable:
            target.unlink(missing_ok=True)
            raise

    def _candidate(
        self, name: str, precision: Precision, path: Path, *, done: str, parent: str, counted: int
    ) -> Candidate:
        return Candidate(
            name=name,
            precision=precision,
            format=self.imported.format,
            path=path,
            compression=done,
            parent=parent,
            macs=counted,
            trial=Trial(path.read_bytes(), self.imported.format, self.draft.outputs),
        )

    def _path(self, name: str) -> Path:
        return self.folder / "artifacts" / f"{name}.{self.imported.format}"


def _check_worth(made: Path, parent: Path) -> None:
    """Refuse a variant that is hardly smaller than what it was made of, or larger.

    Raises:
        NotApplicable: it saves nothing, or next to nothing.

    """
    size_bytes, parent_bytes = made.stat().st_size, parent.stat().st_size
    if size_bytes > WORTH * parent_bytes:
        what = (
            "save next to nothing"
            if size_bytes <= parent_bytes
            else f"be {size_bytes / parent_bytes:.2g} times as large"
        )
        raise NotApplicable(f"It would {what}: {size_bytes:,} bytes instead of {parent_bytes:,}.")
