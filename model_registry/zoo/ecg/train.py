"""Make the shipped bundle: train, export, quantise, calibrate, write the manifest; or only what follows training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from model_registry.extra import program_needing
from model_registry.zoo.ecg.errors import EcgError
from model_registry.zoo.ecg.patients import Split, shipped

with program_needing("train", "Training"):
    import torch

    from model_registry.zoo.ecg.dataset import Dataset
    from model_registry.zoo.ecg.learning import Lesson, Recipe
    from model_registry.zoo.ecg.network import FrameNet
    from model_registry.zoo.ecg.weights import restored, restored_student, save

THREADS = 1
"""What the shipped weights were made with: another number rounds otherwise. It is slower on an idle machine."""


def learn(dataset: Dataset, split: Split, recipe: Recipe) -> dict[str, FrameNet]:
    """Train every tier on `split.train`, showing progress on stderr."""
    torch.set_num_threads(THREADS)
    lesson = Lesson(dataset.of(split.train), recipe)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        bar = shown.add_task("training", total=recipe.steps)
        for progress in lesson.steps():
            losses = " ".join(f"{tier} {loss:.2f}" for tier, loss in progress.loss.items())
            shown.update(bar, completed=progress.step, description=f"training, loss: {losses}")
    return lesson.networks


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m model_registry.zoo.ecg.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="npz with sig_NNN, pos_NNN, sym_NNN of DS1")
    parser.add_argument("--out", type=Path, required=True, help="folder for manifest.toml, artifacts/ and weights.pt")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--weights", type=Path, help="skip training and build from these weights")
    parser.add_argument("--small", type=Path, help="weights.pt of a student (zoo.ecg.distil) to ship beside the watch")
    asked = parser.parse_args(argv)
    try:
        dataset, split = Dataset(asked.data), shipped()
        asked.out.mkdir(parents=True, exist_ok=True)
        if asked.weights:
            networks = restored(asked.weights)
        else:
            networks = learn(dataset, split, Recipe(seed=asked.seed, steps=asked.steps))
            save(networks, asked.out / "weights.pt")
        small = restored_student(asked.small) if asked.small else None
        dataset.build(networks, split, asked.out, small=small)
    except EcgError as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
