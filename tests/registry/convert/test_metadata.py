"""A manifest travels inside an ONNX file, and the artifact comes out of it bit for bit."""

from hashlib import sha256
from pathlib import Path

import msgspec
import onnxruntime
import pytest
from msgspec.structs import replace

from model_registry.errors import BundleError, ManifestError
from model_registry.manifest import Manifest, loads
from model_registry.trust.signature import signed, verify
from model_registry.trust.signing_key import SigningKey
from tests.executor.graphs import mean_model
from tests.registry.manifests import VALID

onnx = pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.convert.metadata import Told, artifact_in, embed, manifest_of, told_by  # noqa: E402

ARTIFACT = mean_model()


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """A signed and calibrated manifest, of whose variants one is an ONNX file that runs."""
    valid = loads(VALID)
    watch, hub = valid.tiers
    assert watch.escalation
    digest = sha256(ARTIFACT).hexdigest()
    variant = replace(watch.variants[0], artifact=digest, size_bytes=len(ARTIFACT))
    escalation = replace(watch.escalation, bound=replace(watch.escalation.bound, artifact=digest))
    tiers = (replace(watch, variants=(variant,), escalation=escalation), hub)
    return signed(replace(valid, tiers=tiers), SigningKey.create(tmp_path / "key.pem"))


def test_a_manifest_comes_out_of_the_file_as_it_went_in_with_calibration_and_signature(manifest: Manifest) -> None:
    read = manifest_of(onnx.load_model_from_string(embed(ARTIFACT, manifest)))
    assert read == manifest
    verify(read)
    assert read.calibrated


def test_the_artifact_comes_out_of_the_file_bit_for_bit(manifest: Manifest) -> None:
    assert artifact_in(embed(ARTIFACT, manifest)) == ARTIFACT


def test_the_file_with_the_manifest_in_it_is_a_model_that_runs(manifest: Manifest) -> None:
    carrying = embed(ARTIFACT, manifest)
    onnx.checker.check_model(onnx.load_model_from_string(carrying))
    session = onnxruntime.InferenceSession(carrying, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["score"]


def test_a_file_that_another_tool_wrote_anew_keeps_the_manifest_and_loses_the_artifact(manifest: Manifest) -> None:
    model = onnx.load_model_from_string(embed(ARTIFACT, manifest))
    model.producer_name = "another tool"
    rewritten = model.SerializeToString()
    assert manifest_of(model) == manifest
    assert artifact_in(rewritten) is None


def test_a_file_without_a_manifest_has_none() -> None:
    assert manifest_of(onnx.load_model_from_string(ARTIFACT)) is None
    assert artifact_in(ARTIFACT) is None


def test_a_manifest_embedded_twice_is_the_later_one(manifest: Manifest) -> None:
    once = embed(ARTIFACT, manifest)
    cut = artifact_in(once)
    assert cut is not None
    later = msgspec.structs.replace(manifest, version="1.0.1")
    assert manifest_of(onnx.load_model_from_string(embed(cut, later))) == later


def test_a_manifest_is_embedded_into_its_own_artifact_only(manifest: Manifest) -> None:
    with pytest.raises(BundleError, match="names no artifact"):
        embed(ARTIFACT + b"\0", manifest)


def test_what_is_no_manifest_is_refused_by_its_line() -> None:
    model = onnx.load_model_from_string(ARTIFACT)
    model.metadata_props.add(key="meshd.manifest", value="schema = 2\n")
    with pytest.raises(ManifestError, match=r"metadata meshd\.manifest:1: schema cannot be '2'"):
        manifest_of(model)


def test_common_fields_tell_what_they_can() -> None:
    model = onnx.load_model_from_string(ARTIFACT)
    model.producer_name, model.producer_version = "pytorch", "2.13.0"
    model.doc_string = "Finds\n  ectopic beats"
    model.graph.name = "main_graph"
    model.metadata_props.add(key="Author", value="A. Stranger")
    model.metadata_props.add(key="model_license", value="MIT")
    assert told_by(model) == Told(
        name="main_graph",
        summary="Finds ectopic beats",
        license="MIT",
        author="A. Stranger",
        origin="pytorch 2.13.0",
    )
