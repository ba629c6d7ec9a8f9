"""The family's manifest, made for files that the user has: they are Google's and MLCommons', and not shipped."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from msgspec import Struct

from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.convert.tflite_macs import tflite_macs
from model_registry.errors import BundleError
from model_registry.manifest import Lifecycle, Manifest
from model_registry.pieces import PieceMap
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Tier, TierName, Variant

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LARGEST_BATCH = 16
IMAGE, CLASSES = "image", "classes"


class Member(Struct, frozen=True, kw_only=True):
    """One of the two networks: its file, and what its graph calls the tensors."""

    tier: TierName
    file: str
    sha256: str
    image: str
    classes: str


MEMBERS = (
    Member(
        tier="watch",
        file="pretrainedResnet_quant.tflite",
        sha256="3c002613d1b2475eb51dd78dfb85a546c8ae658dee71cf6ade43b022fe205415",
        image="input_1_int8",
        classes="Identity_int8",
    ),
    Member(
        tier="hub",
        file="pretrainedResnet_large_int8.tflite",
        sha256="dc27dcd823f5665533352f7da516b0c9bc6f089914b8283782e55961b3423fcf",
        image="input_5",
        classes="dense_4",
    ),
)
"""Both take the pixel less 128 and answer with probabilities in steps of 1/256 from -128, so they are one family."""


def build(folder: Path, bundle: Path) -> Manifest:
    """Write the family's bundle from the benchmark's files in a folder, and return its manifest.

    Raises:
        BundleError: a file is missing, or is another than the one this family was made for.

    Source: https://github.com/mlcommons/tiny, benchmark/training/image_classification (Apache-2.0).
    """
    manifest = Manifest(
        schema=1,
        name="cifar10",
        version="1.0.0",
        summary="Which of ten things a picture of 32 by 32 pixels shows.",
        license="Apache-2.0",
        task="image-classification",
        privacy="household",
        unsigned=True,
        lifecycle=Lifecycle(dataset="CIFAR-10", origin="MLPerf Tiny, reference networks of the image classification"),
        axes={"batch": Axis(max=LARGEST_BATCH)},
        inputs=(
            Tensor(
                name=IMAGE,
                dtype="int8",
                shape=("batch", 32, 32, 3),
                description="RGB, each value less 128.",
            ),
        ),
        tiers=tuple(_tier(member, folder) for member in MEMBERS),
    )
    bundle.mkdir(parents=True, exist_ok=True)
    for member in MEMBERS:
        shutil.copyfile(folder / member.file, bundle / member.file)
    (bundle / MANIFEST).write_text(manifests.dumps(manifest), encoding="utf-8")
    return manifest


def _tier(member: Member, folder: Path) -> Tier:
    content = _content(member, folder)
    variant = Variant(
        name="int8",
        precision="int8",
        format="tflite",
        names={IMAGE: member.image, CLASSES: member.classes},
        file=member.file,
        artifact=member.sha256,
        pieces=PieceMap.of(content).root,
        size_bytes=len(content),
        macs=tflite_macs(content),
    )
    classes = Tensor(
        name=CLASSES,
        dtype="int8",
        shape=("batch", len(LABELS)),
        unit="1/256, from -128",
        description=f"Probability of {', '.join(LABELS)}.",
    )
    return Tier(name=member.tier, outputs=(classes,), variants=(variant,))


def _content(member: Member, folder: Path) -> bytes:
    path = folder / member.file
    if not path.is_file():
        raise BundleError(f"{folder} has no file {member.file}.", hint="It belongs to the MLPerf Tiny benchmark.")
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != member.sha256:
        raise BundleError(
            f"{path} has SHA-256 {found}, and this family was made for {member.sha256}.",
            hint="Import it by itself: meshd models import.",
        )
    return content
