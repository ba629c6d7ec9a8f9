"""Make a small model of a large one: a student that fits a size, or the same with channels taken away."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from model_registry.distill.errors import DistillError
from model_registry.errors import RegistryError
from model_registry.extra import program_needing

with program_needing("torch", "Distilling"):
    import torch

    from model_registry.distill import examples
    from model_registry.distill.distillation import Distilled, Wish, distil
    from model_registry.distill.lesson import Progress, Recipe
    from model_registry.distill.summary import Candidate, Summary
    from model_registry.distill.teacher import Teacher
    from model_registry.distill.thinning import thinned

_UNITS = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "KIB": 1024, "MIB": 1024**2}


def size_bytes(text: str) -> int:
    """Read a size such as `100KB`, `12.7kB` or `1MiB`; a bare number counts bytes.

    Raises: DistillError for anything else.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if not found or found[2].upper() not in _UNITS:
        raise DistillError(f"'{text}' is no size.", hint="Write 100KB, 12.7kB, 1MiB or a number of bytes.")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    asked = _parser().parse_args(argv)
    torch.set_num_threads(asked.threads)
    try:
        paths, made = _made(asked)
    except RegistryError as error:
        print(f"distill: {error}", file=sys.stderr)
        return 1
    Console().print(_table(made.summary))
    for path in paths:
        print(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_registry.distill", description=__doc__)
    parser.add_argument("--teacher", type=Path, required=True, help="the ONNX model to learn from")
    parser.add_argument("--data", type=Path, required=True, help="npz with an array of examples for each input")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--target-size", help="train a student whose int8 file is at most this large: 100KB")
    way.add_argument("--prune", type=float, help="take this share of the channels out instead: 0.5")
    parser.add_argument("--labels", help="key of --data, or .npy or .npz file: true answers to the first output")
    parser.add_argument("--outputs", default="", help="learn only these, with commas between; all of them")
    parser.add_argument("--student", choices=("dense", "conv1d", "conv2d"), help="its form; by the rank of the inputs")
    parser.add_argument("--out", type=Path, default=Path("build/distilled"), help="folder for the files")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def _made(asked: argparse.Namespace) -> tuple[list[Path], Distilled]:
    outputs = [name for name in asked.outputs.split(",") if name]
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True)) as shown:
        bar = shown.add_task("reading", total=None, loss="")

        def told(doing: str, progress: Progress | None = None) -> None:
            if progress is None:
                shown.update(bar, description=doing, total=None, loss="")
            else:
                loss = f"validation {progress.validation:.4f}"
                shown.update(bar, description=doing, total=progress.steps, completed=progress.step, loss=loss)

        teacher = Teacher(asked.teacher, outputs=outputs, threads=asked.threads)
        data = examples.read(asked.data, teacher.inputs, asked.labels)
        recipe = Recipe(seed=asked.seed, steps=asked.steps)
        if asked.prune is not None:
            way, made = "pruned", thinned(teacher, data, asked.prune, recipe, told)
        else:
            wish = Wish(target_bytes=size_bytes(asked.target_size), recipe=recipe, form=asked.student)
            way, made = "student", distil(teacher, data, wish, told)
    return _written(made, asked.out, f"{asked.teacher.stem}-{way}"), made


def _written(made: Distilled, folder: Path, name: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {f"{name}-{precision}.onnx": content for precision, content in made.files.items()}
    contents[f"{name}.json"] = made.summary.json()
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    return [folder / file for file in contents]


def _table(summary: Summary) -> Table:
    table = Table(title=f"{summary.teacher}: {summary.made}")
    for column in ("precision", "bytes", "agreement", "on labels", "p50 ms", "of the teacher's"):
        table.add_column(column, justify="left" if column == "precision" else "right")
    table.add_row("teacher", f"{summary.teacher_bytes:,}", "", _figures(summary.teacher_accuracy), _p50(summary), "")
    for candidate in summary.candidates:
        table.add_row(*_row(candidate))
    return table


def _row(candidate: Candidate) -> tuple[str, ...]:
    assert candidate.latency is not None
    return (
        candidate.precision,
        f"{candidate.size_bytes:,}",
        _figures(candidate.agreement),
        _figures(candidate.accuracy),
        f"{candidate.latency.p50_ms:.3f}",
        f"{candidate.latency_ratio:.0%}",
    )


def _p50(summary: Summary) -> str:
    return f"{summary.teacher_latency.p50_ms:.3f}"


def _figures(figures: dict[str, float]) -> str:
    return "\n".join(f"{name} {value:.4f}" for name, value in figures.items())


if __name__ == "__main__":
    sys.exit(main())
