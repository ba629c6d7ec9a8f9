"""A whole import leaves a bundle that every node can read, or nothing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry import manifest as manifests  # noqa: E402
from model_registry.convert.errors import ModelRefused, SamplesRefused  # noqa: E402
from model_registry.convert.importing import Bundle, Import, import_model  # noqa: E402
from model_registry.convert.progress import Unwatched  # noqa: E402
from model_registry.manifest import Manifest  # noqa: E402
from model_registry.runtime.session import open_session  # noqa: E402
from model_registry.store import ModelStore  # noqa: E402
from model_registry.trust.signature import verify  # noqa: E402
from model_registry.trust.signing_key import SigningKey  # noqa: E402
from tests.registry.convert.models import classifier, saved  # noqa: E402

SHARED = Path(__file__).parents[4] / "shared" / "data" / "models"
X = np.random.default_rng(1).standard_normal((60, 256)).astype(np.float32)


@dataclass
class Listener:
    """Hears what is worked on; interrupts when it hears a word."""

    interrupt_at: str = ""
    heard: list[str] = field(default_factory=list)

    def begin(self, what: str, steps: int) -> None:
        self.heard.append(what)
        if self.interrupt_at and self.interrupt_at in what:
            raise KeyboardInterrupt

    def advance(self, steps: int = 1) -> None:
        pass


def order(folder: Path, *, variants: Sequence[str] = ("int8", "int8-dynamic", "int4")) -> Import:
    """An order for a classifier of 270 kB, with data and the labels that it gives itself."""
    source = saved(classifier(features=256, batch="n"), folder / "net.onnx")
    (scores,) = open_session(source.read_bytes()).run(["scores"], {"features": X})
    np.savez(folder / "data.npz", features=X, labels=scores.argmax(axis=1))
    return Import(
        source=source,
        out=folder / "bundle",
        calibration=folder / "data.npz",
        variants=variants,
        seconds_each=0.01,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return import_model(order(tmp_path_factory.mktemp("import")), Unwatched())


def test_the_bundle_is_one_that_a_store_takes(bundle: Bundle, tmp_path: Path) -> None:
    assert ModelStore(tmp_path).add(bundle.folder) == bundle.manifest
    assert manifests.load(bundle.folder / "manifest.toml") == bundle.manifest


def test_the_bundle_holds_the_files_of_its_manifest_and_the_page_and_nothing_else(bundle: Bundle) -> None:
    files = {str(path.relative_to(bundle.folder)) for path in bundle.folder.rglob("*") if path.is_file()}
    assert files == {"manifest.toml", "report.html", *(variant.file for _, variant in bundle.manifest.variants())}
    for _, variant in bundle.manifest.variants():
        content = (bundle.folder / variant.file).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (variant.artifact, variant.size_bytes)


def test_no_artifact_is_in_two_tiers_and_no_tier_escalates(bundle: Bundle) -> None:
    artifacts = [variant.artifact for _, variant in bundle.manifest.variants()]
    assert len(set(artifacts)) == len(artifacts)
    assert all(tier.escalation is None for tier in bundle.manifest.tiers)


def test_the_first_variant_of_the_weakest_tier_is_the_recommended_one(bundle: Bundle) -> None:
    weakest = bundle.manifest.tiers[0]
    advised = {advice.device.name: advice.variant for advice in bundle.advice}
    assert weakest.variants[0].name == advised[weakest.name]


def test_every_variant_was_measured_and_says_on_what(bundle: Bundle) -> None:
    assert [made.variant.name for made in bundle.sweep.made] == ["fp32", "int8", "int8-dynamic", "int4"]
    for made in bundle.sweep.made:
        (cost,) = made.variant.costs
        assert cost.p99_ms
        assert cost.p99_ms >= cost.p50_ms
        assert cost.peak_memory_bytes
        assert cost.yardstick_ms
        assert made.variant.macs == 256 * 256 + 256 * 3
        assert made.variant.pieces
        assert made.variant.evaluation
        assert made.variant.evaluation.items == 30
        assert made.variant.evaluation.reference == "labels"
        assert made.variant.evaluation.dataset == "data.npz, without the 30 items that set the ranges of int8"
    assert bundle.sweep.metric == "balanced_accuracy"
    assert bundle.sweep.loss("fp32") == 0.0


def test_variants_name_what_they_were_made_from(bundle: Bundle) -> None:
    base, *others = (made.variant for made in bundle.sweep.made)
    assert bundle.manifest.lifecycle
    assert base.parent == bundle.manifest.lifecycle.origin_sha256
    assert {variant.parent for variant in others} == {base.artifact}


def test_without_a_key_nobody_vouches_and_with_one_the_signature_holds(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle.manifest.unsigned
    key = SigningKey.create(tmp_path / "key.pem")
    signed = import_model(replace(order(tmp_path, variants=["pruned"]), key=key), Unwatched()).manifest
    verify(signed)
    assert signed.signature
    assert (signed.unsigned, signed.signature.publisher) == (False, key.publisher)


def test_without_data_variants_are_held_against_the_model_and_the_manifest_says_so(tmp_path: Path) -> None:
    made = import_model(replace(order(tmp_path, variants=["int8"]), calibration=None), Unwatched()).sweep
    (base,) = made.made
    assert base.variant.evaluation
    assert base.variant.evaluation.reference == "parent"
    assert base.variant.evaluation.dataset.startswith("noise")
    assert base.variant.accuracy["cosine"] == pytest.approx(1.0)
    assert [left.name for left in made.not_made] == ["int8"]


@pytest.mark.parametrize("moment", ["reading", "slimming", "making", "accuracy", "trying", "timing"])
def test_an_interrupted_import_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    given = order(tmp_path, variants=["int8-dynamic"])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        import_model(given, Listener(interrupt_at=moment))
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    given = order(tmp_path)
    (tmp_path / "bundle").mkdir()
    with pytest.raises(ModelRefused, match="is there already"):
        import_model(given, Unwatched())


def test_a_variant_that_nobody_knows_is_refused_before_any_work(tmp_path: Path) -> None:
    listener = Listener()
    with pytest.raises(ModelRefused, match=r"There is no variant 'int9'\. Did you mean 'int"):
        import_model(order(tmp_path, variants=["int9"]), listener)
    assert listener.heard == []


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    given = order(tmp_path)
    np.savez(tmp_path / "data.npz", features=X, labels=np.arange(60))
    with pytest.raises(SamplesRefused, match=r"Labels reach from 0 to 59, and 'scores' has 3 classes"):
        import_model(given, Unwatched())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_with_values_that_are_no_numbers_is_blamed_and_not_the_model(tmp_path: Path, value: float) -> None:
    given = order(tmp_path)
    broken = X.copy()
    broken[5, 7] = value
    np.savez(tmp_path / "data.npz", features=broken)
    with pytest.raises(SamplesRefused, match=r"'features' in data\.npz holds NaN or infinity, first in item 5 "):
        import_model(given, Unwatched())


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the models beside the repository")
def test_a_quantised_network_is_taken_as_it_is(tmp_path: Path) -> None:
    given = Import(source=SHARED / "mobilenet_v2_quant.onnx", out=tmp_path / "b", seconds_each=0.01)
    made = import_model(given, Unwatched())
    assert [(each.variant.name, each.variant.macs) for each in made.sweep.made] == [("int8", 300_774_272)]
    assert _tiers(made.manifest) == {"watch": ["int8"]}


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the models beside the repository")
@pytest.mark.parametrize(("file", "precision"), [("kws_ref_model.tflite", "int8"), ("ad01_fp32.tflite", "fp32")])
def test_a_litert_model_is_taken_as_it_is(tmp_path: Path, file: str, precision: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the litert extra")
    made = import_model(Import(source=SHARED / file, out=tmp_path / "b", seconds_each=0.01), Unwatched())
    (only,) = made.sweep.made
    assert (only.variant.name, only.variant.format) == (precision, "tflite")
    assert (tmp_path / "b" / only.variant.file).read_bytes() == (SHARED / file).read_bytes()
    (left,) = made.sweep.not_made
    assert left.reason.startswith("A .tflite model runs as it is")


def _tiers(manifest: Manifest) -> dict[str, list[str]]:
    return {tier.name: [variant.name for variant in tier.variants] for tier in manifest.tiers}
