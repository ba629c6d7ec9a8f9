"""Patient-wise cross-validation of the whole procedure: train, quantise, calibrate, and examine on strangers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from model_registry.extra import program_needing
from model_registry.zoo.ecg.errors import EcgError
from model_registry.zoo.ecg.evaluate import extended
from model_registry.zoo.ecg.family import Family
from model_registry.zoo.ecg.opinions import TIERS, Opinions
from model_registry.zoo.ecg.patients import FOLDS, fold
from model_registry.zoo.ecg.report import Figures
from model_registry.zoo.ecg.statistics import auroc
from model_registry.zoo.ecg.tables import show

with program_needing("train", "Cross-validating"):
    from model_registry.zoo.ecg.dataset import Dataset
    from model_registry.zoo.ecg.learning import Recipe
    from model_registry.zoo.ecg.plots import draw_roc
    from model_registry.zoo.ecg.train import learn
    from model_registry.zoo.ecg.weights import restored, save


def examine(dataset: Dataset, index: int, recipe: Recipe, scratch: Path) -> tuple[Opinions, Family]:
    """Return what a family trained and calibrated without fold `index` says about its patients."""
    split, bundle = fold(index), scratch / f"fold-{index}"
    weights = bundle / "weights.pt"
    bundle.mkdir(parents=True, exist_ok=True)
    networks = restored(weights) if weights.exists() else learn(dataset, split, recipe)
    save(networks, weights)
    dataset.build(networks, split, bundle)
    family = Family(bundle)
    return Opinions.of(family, dataset.windows(split.test)), family


def crossvalidate(dataset: Dataset, recipe: Recipe, scratch: Path) -> tuple[list[Opinions], dict[str, int]]:
    """Return what is said fold by fold, each by a family that never met its patients, and the tiers' MACs."""
    parts = [examine(dataset, index, recipe, scratch) for index in range(len(FOLDS))]
    return [opinions for opinions, _ in parts], parts[0][1].macs


def figures(folds: Sequence[Opinions], macs: Mapping[str, int]) -> Figures:
    """Return the figures over the pooled windows of all folds, and AUROC by fold.

    Pooling also asks that five families agree about what a probability is; a fold by itself does not.
    """
    by_fold = {tier: [auroc(opinions.scores[tier], opinions.truth) for opinions in folds] for tier in TIERS}
    by_fold["cascade"] = [auroc(opinions.cascade.score, opinions.truth) for opinions in folds]
    return {**extended(Opinions.join(folds), macs), "auroc_by_fold": by_fold}


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m model_registry.zoo.ecg.crossvalidate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="npz with sig_NNN, pos_NNN, sym_NNN of DS1")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for each fold's bundle; weights are reused")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="draw the ROC curves into this SVG")
    asked = parser.parse_args(argv)
    try:
        recipe = Recipe(seed=asked.seed, steps=asked.steps)
        folds, macs = crossvalidate(Dataset(asked.data), recipe, asked.scratch)
    except EcgError as error:
        print(f"crossvalidate: {error}", file=sys.stderr)
        return 1
    found = figures(folds, macs)
    print(json.dumps(found)) if asked.json else show(found)
    if asked.plot:
        draw_roc(Opinions.join(folds), asked.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
