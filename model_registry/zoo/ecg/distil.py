"""Distil the hub into watch tiers of given sizes, and draw the curve of size against accuracy."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from model_registry.errors import RegistryError
from model_registry.extra import program_needing
from model_registry.zoo.ecg.errors import EcgError
from model_registry.zoo.ecg.examination import Interval, Mark, judged_by_others, loss_interval, mark
from model_registry.zoo.ecg.family import SHIPPED, Family
from model_registry.zoo.ecg.patients import Split, shipped
from model_registry.zoo.ecg.recording import Recording, Windows
from model_registry.zoo.ecg.sigmoid import fit

with program_needing("train", "Distilling the hub"):
    import torch

    from model_registry.distill.artifact import stirred
    from model_registry.distill.distillation import SLACK_BYTES
    from model_registry.distill.fitting import widest
    from model_registry.distill.latency import Latency, in_turns, opened
    from model_registry.zoo.ecg import export
    from model_registry.zoo.ecg.apprentice import Apprentice, Recipe
    from model_registry.zoo.ecg.build import RANGE_WINDOWS, TIERS, logits
    from model_registry.zoo.ecg.dataset import Dataset
    from model_registry.zoo.ecg.network import Committee, FrameNet, student_shape
    from model_registry.zoo.ecg.plots import draw_sizes
    from model_registry.zoo.ecg.pool import BATCH, Pool
    from model_registry.zoo.ecg.train import THREADS
    from model_registry.zoo.ecg.weights import restored, restored_student, save_student

SIZES = (11_900, 18_000, 24_500, 49_000)
"""The first is 2 % of the hub's file; the third is about that of the watch, which learned beside the hub."""

POOL_WINDOWS = 96_000


class Student(Struct, frozen=True, kw_only=True):
    """One point of the curve."""

    target_bytes: int
    size_bytes: int
    width: int
    parameters: int
    macs: int
    fp32_bytes: int
    mark: Mark
    fp32_mark: Mark
    lost_to_hub: Interval
    """Balanced accuracy of strangers that it has less than the hub."""
    latency: Latency
    latency_ratio: float
    """Its median run over the hub's, measured in turns."""


class Shipped(Struct, frozen=True, kw_only=True):
    """The first variant of a tier, which was not distilled alone but trained beside the others."""

    tier: str
    size_bytes: int
    mark: Mark


class Curve(Struct, frozen=True, kw_only=True):
    """The shipped tiers and the hub's students on the same held-out patients."""

    records: tuple[str, ...]
    windows: int
    tiers: tuple[Shipped, ...]
    students: tuple[Student, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Who teaches ranges and who examines."""

    learned_from: Windows
    held_out: Windows

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> Grounds:
        """Take both from a split."""
        return cls(learned_from=dataset.windows(split.train), held_out=dataset.windows(split.calibrate))

    @property
    def ranges(self) -> NDArray[np.int16]:
        """Return the windows that show what int8 must span."""
        return self.learned_from.ecg[:: max(len(self.learned_from.ecg) // RANGE_WINDOWS, 1)]


def files(network: FrameNet, grounds: Grounds) -> tuple[bytes, bytes]:
    """Return the float32 and the int8 artifact of a watch with this network, calibrated on the held-out patients."""
    committee = Committee([network])
    probability = fit(logits(committee, grounds.held_out.ecg), grounds.held_out.anomalous)
    with tempfile.TemporaryDirectory() as folder:
        fp32, int8 = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        export.to_fp32(committee, "watch", probability, fp32)
        export.to_int8(fp32, grounds.ranges, int8)
        return fp32.read_bytes(), int8.read_bytes()


def fitting_width(grounds: Grounds, target_bytes: int) -> int:
    """Return the largest width whose int8 file fits.

    Raises: TargetTooSmall when there is none.
    """

    def size(width: int) -> int:
        torch.manual_seed(0)
        network = stirred(FrameNet(student_shape(width)).eval())
        return len(files(network, grounds)[1]) + SLACK_BYTES

    return widest(size, target_bytes, narrowest=4, widest=64)


def taught(width: int, target_bytes: int, pool: Pool, recipe: Recipe) -> FrameNet:
    """Train one student, showing progress on stderr."""
    apprentice = Apprentice(student_shape(width), pool, recipe)
    _shown(apprentice.steps(), f"{target_bytes:,} bytes, width {width}", recipe.steps)
    return apprentice.network


def examined(files: tuple[bytes, bytes], network: FrameNet, target_bytes: int, grounds: Grounds, hub: bytes) -> Student:
    """Return what the int8 file is worth beside the hub's artifact."""
    (fp32, int8), held_out = files, grounds.held_out
    truth, patient = held_out.anomalous, held_out.patient
    judged = [judged_by_others(scores(content, held_out.ecg), truth, patient) for content in (int8, hub)]
    latency, of_hub = in_turns([opened(int8), opened(hub)], {"ecg": held_out.ecg})
    return Student(
        target_bytes=target_bytes,
        size_bytes=len(int8),
        fp32_bytes=len(fp32),
        width=network.beat.in_channels,
        parameters=sum(weight.numel() for weight in network.parameters()),
        macs=macs_of(fp32),
        mark=mark(scores(int8, held_out.ecg), truth, patient),
        fp32_mark=mark(scores(fp32, held_out.ecg), truth, patient),
        lost_to_hub=loss_interval(judged[0], judged[1], truth, patient),
        latency=latency,
        latency_ratio=round(latency.p50_ms / of_hub.p50_ms, 3),
    )


def scores(content: bytes, ecg: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return what an artifact calls the probability of an anomaly, float32[windows]."""
    session = opened(content)
    parts = [session.run(["anomaly"], {"ecg": part})[0] for part in np.array_split(ecg, 16)]
    return np.asarray(np.concatenate(parts))


def macs_of(content: bytes) -> int:
    """Count the multiply-accumulates of one window in a float32 artifact."""
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        Path(file.name).write_bytes(content)
        return export.macs(Path(file.name))


def curve(asked: argparse.Namespace) -> Curve:
    """Train a student for every size, write its files, and examine all of them beside the shipped hub.

    Raises: EcgError for the data; TargetTooSmall for a size that no student fits.
    """
    dataset, split = Dataset(asked.data), shipped()
    grounds = Grounds.of(dataset, split)
    family = Family()
    hub = (SHIPPED / family.variant("hub").file).read_bytes()
    sizes = [int(size) for size in asked.sizes.split(",")]
    if not asked.again:
        _teach(asked, sizes, dataset.of(split.train), grounds)
    students = []
    for size in sizes:
        network = restored_student(asked.out / f"{size}" / "weights.pt")
        made = files(network, grounds)
        write(asked.out / f"{size}", made)
        students.append(examined(made, network, size, grounds, hub))
    return Curve(
        records=split.calibrate,
        windows=len(grounds.held_out.ecg),
        tiers=tuple(_marked(family, tier, grounds.held_out) for tier in TIERS),
        students=tuple(students),
    )


def _marked(family: Family, tier: str, held_out: Windows) -> Shipped:
    score = family.look(tier, held_out.ecg).anomaly
    return Shipped(
        tier=tier,
        size_bytes=family.variant(tier).size_bytes,
        mark=mark(score, held_out.anomalous, held_out.patient),
    )


def _teach(asked: argparse.Namespace, sizes: Sequence[int], recordings: Sequence[Recording], grounds: Grounds) -> None:
    """Train a student for every size, and keep its weights."""
    networks = restored(asked.weights)
    widths = {size: fitting_width(grounds, size) for size in sizes}
    pool = Pool(recordings, Committee([networks[tier] for tier in TIERS]), asked.seed)
    _shown(pool.fill(asked.windows), "windows", asked.windows // BATCH)
    for size in sizes:
        network = taught(widths[size], size, pool, Recipe(seed=asked.seed, steps=asked.steps))
        (asked.out / f"{size}").mkdir(parents=True, exist_ok=True)
        save_student(network, asked.out / f"{size}" / "weights.pt")


def write(folder: Path, files: tuple[bytes, bytes]) -> None:
    """Keep both artifacts of a student."""
    for name, content in zip(("watch-fp32.onnx", "watch-int8.onnx"), files, strict=True):
        (folder / name).write_bytes(content)


def _draw(made: Curve, path: Path) -> None:
    """Draw the curve by the marks of strangers."""
    students = [(student.size_bytes, student.mark.of_strangers) for student in made.students]
    draw_sizes(students, [(tier.tier, tier.size_bytes, tier.mark.of_strangers) for tier in made.tiers], path)


def _shown(steps: Iterable[object], what: str, total: int) -> None:
    for _ in track(steps, what, total, console=Console(stderr=True)):
        pass


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m model_registry.zoo.ecg.distil", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="npz with sig_NNN, pos_NNN, sym_NNN of DS1")
    parser.add_argument("--weights", type=Path, required=True, help="weights.pt of the training of the three tiers")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="bytes of the int8 files, commas between")
    parser.add_argument("--out", type=Path, required=True, help="folder for the students and curve.json")
    parser.add_argument("--svg", type=Path, help="draw the curve here; needs matplotlib")
    parser.add_argument("--windows", type=int, default=POOL_WINDOWS, help="windows drawn to learn from")
    parser.add_argument("--again", action="store_true", help="train nothing: examine the students that --out holds")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    asked = parser.parse_args(argv)
    torch.set_num_threads(THREADS)
    try:
        made = curve(asked)
    except (EcgError, RegistryError) as error:
        print(f"distil: {error}", file=sys.stderr)
        return 1
    text = msgspec.json.format(msgspec.json.encode(made), indent=2)
    (asked.out / "curve.json").write_bytes(text)
    if asked.svg:
        _draw(made, asked.svg)
    print(text.decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
