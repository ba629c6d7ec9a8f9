"""The family is built from files that lie beside the repository, and looks at pictures that come with scikit-image."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_registry import manifest as manifests
from model_registry.admission.admit import admit
from model_registry.admission.admitted import Limits
from model_registry.errors import BundleError
from model_registry.manifest import Manifest
from model_registry.runtime.renamed_session import open_variant
from model_registry.zoo.cifar10.family import LABELS, MEMBERS, build

MODELS = Path(__file__).parents[4] / "shared" / "data" / "models"


@pytest.fixture
def family(tmp_path: Path) -> tuple[Manifest, Path]:
    pytest.importorskip("ai_edge_litert", reason="the extra `litert` is not installed")
    if missing := [member.file for member in MEMBERS if not (MODELS / member.file).is_file()]:
        pytest.skip(f"needs {', '.join(missing)} in ../shared/data/models")
    bundle = tmp_path / "cifar10"
    return build(MODELS, bundle), bundle


def picture(name: str) -> NDArray[np.int8]:
    """Return int8[1, 32, 32, 3]: the middle of a picture, as the family takes it."""
    skimage = pytest.importorskip("skimage", reason="scikit-image is not installed")
    image = np.asarray(getattr(skimage.data, name)())
    image = image if image.ndim == 3 else np.stack([image * 255] * 3, axis=-1)
    edge = min(image.shape[:2])
    top, left = ((length - edge) // 2 for length in image.shape[:2])
    square = image[top : top + edge, left : left + edge].astype(float)
    small = skimage.transform.resize(square, (32, 32), anti_aliasing=True, preserve_range=True)
    return np.asarray(small - 128).astype(np.int8)[None]


def test_the_bundle_is_read_back_as_it_was_built(family: tuple[Manifest, Path]) -> None:
    manifest, bundle = family
    assert manifests.load(bundle / "manifest.toml") == manifest


def test_the_members_take_as_many_multiplications_as_the_benchmark_says(family: tuple[Manifest, Path]) -> None:
    manifest, _ = family
    # 12.5 million for the small one: Banbury et al. 2021, MLPerf Tiny Benchmark, table 1 (arXiv 2106.07597).
    assert {tier.name: variant.macs for tier, variant in manifest.variants()} == {
        "watch": 12_501_632,
        "hub": 76_473_920,
    }


def test_both_members_know_a_cat_and_a_horse_under_the_names_of_the_manifest(family: tuple[Manifest, Path]) -> None:
    manifest, bundle = family
    for tier, variant in manifest.variants():
        session = open_variant((bundle / variant.file).read_bytes(), variant)
        assert [tensor.name for tensor in (*session.inputs, *session.outputs)] == ["image", "classes"], tier.name
        said = [session.run(["classes"], {"image": picture(name)})[0] for name in ("chelsea", "horse")]
        assert [LABELS[int(classes.argmax())] for classes in said] == ["cat", "horse"], tier.name


def test_both_members_are_admitted_at_their_largest_batch(family: tuple[Manifest, Path]) -> None:
    manifest, bundle = family
    limits = Limits(memory_bytes=256 * 2**20, wall_s=30.0, size_bytes=2**20)
    for tier, variant in manifest.variants():
        admitted = admit((bundle / variant.file).read_bytes(), manifest, tier, variant, limits)
        assert admitted.artifact == variant.artifact


def test_another_file_of_the_same_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / MEMBERS[0].file).write_bytes(b"something else")
    with pytest.raises(BundleError, match="this family was made for"):
        build(tmp_path, tmp_path / "bundle")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=f"has no file {MEMBERS[0].file}"):
        build(tmp_path, tmp_path / "bundle")
