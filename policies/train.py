"""Train the scheduler: ``python -m policies.train --out DIR``; the same command goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from model_registry.extra import program_needing
from policies.command import run_command
from policies.errors import TrainingUnusable

with program_needing("train", "Training"):
    from policies.hyperparameters import Hyperparameters

console = Console(soft_wrap=True, highlight=False)


def train(
    out: Annotated[Path, typer.Option(help="Folder of checkpoints, curves and the best policy; made if need be.")],
    processes: Annotated[int, typer.Option(min=1, help="Processes that worlds are played in.")] = 2,
    seed: Annotated[int, typer.Option(help="Of all that chance decides in training.")] = 1,
    changed: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=NUMBER", help="Another hyperparameter; may be repeated.")
    ] = None,
) -> None:
    """Learn from ways that were tried, then by reinforcement; keep what does best on validation worlds."""
    from policies.training import Training  # noqa: PLC0415 - help comes at once

    Training(out, recipe_of(seed, changed or []), n_processes=processes, say=console.print).run()
    console.print(f"best policy: {out / 'best.onnx'}; curves: tensorboard --logdir {out}")


def main() -> None:
    """Run the command line."""
    run_command(lambda: typer.run(train), Console(stderr=True))


def recipe_of(seed: int, changed: Sequence[str]) -> Hyperparameters:
    """Return the recipe with some hyperparameters changed, each as ``name=number``.

    Raises:
        TrainingUnusable: there is no hyperparameter of a name, or a number is not of its type.

    """
    known = asdict(Hyperparameters(seed=seed))
    wished = {name: number for name, _, number in (text.partition("=") for text in changed)}
    if unknown := wished.keys() - known.keys():
        raise TrainingUnusable(f"There is no hyperparameter {min(unknown)}.", hint=f"There are {', '.join(known)}.")
    try:
        return msgspec.convert(known | wished, Hyperparameters, strict=False)
    except msgspec.ValidationError as error:
        raise TrainingUnusable(f"A hyperparameter is no such number: {error}.", hint="--set NAME=NUMBER") from None


if __name__ == "__main__":
    main()
