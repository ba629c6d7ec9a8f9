"""One model in full, and as a single file that carries its manifest."""

import json
from pathlib import Path

import msgspec
import pytest

from meshd.cli.models.exporting import _chosen
from model_registry.manifest import Manifest, dumps, loads
from model_registry.store import ModelStore
from tests.cli.conftest import Command
from tests.cli.fake_daemon import FakeDaemon
from tests.executor.cuttable import cuttable_manifest, cuttable_model
from tests.registry.manifests import VALID, WATCH_MODEL, sha256, write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def words_of(page: str) -> str:
    """A page as one line: where it breaks is the terminal's choice."""
    return " ".join(page.split())


def test_a_model_is_told_in_full(meshd: Command, bundle: Path) -> None:
    ended = meshd("models", "show", bundle)
    told = words_of(ended.out)
    assert ended.code == 0
    for sentence in (
        "ecg-anomaly 1.0.0 Says whether ten seconds of one lead hold an ectopic beat",
        "inputs may go to the household's own devices",
        "vouched for unsigned",
        "trained 2026-11-21 trained on MIT-BIH Arrhythmia Database, DS1 compression static int8",
        "Takes ecg float32[batch 1..64, 1, 3600], in mV Ten seconds of lead MLII at 360 Hz",
        "Tier watch anomaly float32[batch 1..64] Probability of an ectopic beat",
        f"int8 int8 20 B 1.5 M onnx on cpu {sha256(WATCH_MODEL)[:12]}",
        "int8 0.20 ms 0.40 ms — — measured on x86-64, one core: meshd bench",
        "Accuracy of int8: auroc 0.96, balanced_accuracy 0.9; the manifest does not say on what.",
        "Passes on what has anomaly at or above 0.05: about 30.0 % of usual inputs.",
        "at most 5.0 % of anomalies is missed, with 95% confidence (Clopper-Pearson; 2.0 % of 400 in 2 recordings).",
        "Tier hub",
        "onnx on cpu, cuda",
        "Raises the alarm when anomaly is at or above 0.5.",
    ):
        assert sentence in told
    assert max(map(len, ended.out.splitlines())) <= 80


def lay_cuttable(folder: Path, manifest: Manifest) -> Path:
    folder.mkdir()
    (folder / "cuttable.onnx").write_bytes(cuttable_model())
    (folder / "manifest.toml").write_text(dumps(manifest))
    return folder


def test_where_a_model_may_be_cut_is_told_with_what_crosses_there(meshd: Command, tmp_path: Path) -> None:
    bundle = lay_cuttable(tmp_path / "cuttable", cuttable_manifest(cuttable_model()))
    lines = [words_of(line) for line in meshd("models", "show", bundle).out.splitlines()]
    assert [line for line in lines if "the same bits" in line] == [
        "fp32 25.0 % 68 B 2 1 the same bits fp16 0.50",  # And what it changes, in the next line.
        "fp32 75.0 % 72 B 3 2 the same bits —",
    ]


def test_stages_are_held_against_the_file_and_what_differs_is_a_warning(meshd: Command, tmp_path: Path) -> None:
    stages = ("0" * 64, "1" * 64, "2" * 64)
    sound = lay_cuttable(tmp_path / "sound", cuttable_manifest(cuttable_model()))
    lying = lay_cuttable(tmp_path / "lying", cuttable_manifest(cuttable_model(), stages=stages))
    assert (meshd("models", "check", sound).code, "warning" in meshd("models", "check", sound).out) == (0, False)
    ended = meshd("models", "check", lying)
    assert ended.code == 0, "nodes run it whole"
    for stage in range(3):
        assert (
            f"Stages {stage} to {stage + 1} cannot be run: their bytes are not those that the manifest was made for"
            in words_of(ended.out)
        )


def test_a_model_as_json_is_its_manifest_and_who_vouches_for_it(meshd: Command, bundle: Path) -> None:
    document = json.loads(meshd("models", "show", bundle, "--json").out)
    assert msgspec.convert(document["manifest"], Manifest) == loads(VALID)
    assert document["signed_by"] == {"by": "unsigned", "accepted": True, "why": "", "hint": ""}


def test_a_model_that_came_with_meshd_is_shown_by_its_name(meshd: Command) -> None:
    assert "vouched for came with meshd" in words_of(meshd("models", "show", "ecg-anomaly").out)


def test_a_model_that_this_node_would_refuse_says_why_and_what_to_do(meshd: Command, bundle: Path) -> None:
    (bundle / "manifest.toml").write_text(VALID.replace("unsigned = true\n", ""))
    told = words_of(meshd("models", "show", bundle).out)
    assert "not accepted Nobody has signed model 'ecg-anomaly', and it does not say so." in told
    assert "meshd models sign --unsigned BUNDLE" in told


def test_a_rule_that_was_calibrated_with_another_file_is_called_so(meshd: Command, bundle: Path) -> None:
    other = VALID.replace(sha256(WATCH_MODEL), sha256(b"retrained"), 1)
    (bundle / "manifest.toml").write_text(other)
    assert "Not shown for int8: the rule was calibrated with another file." in words_of(
        meshd("models", "show", bundle).out
    )


def test_an_unknown_name_offers_the_likely_one(meshd: Command) -> None:
    ended = meshd("models", "show", "ecg-anomly")
    assert ended.code == 1
    assert "Did you mean 'ecg-anomaly'?" in ended.err


def test_an_exported_file_carries_the_manifest_and_the_artifact(meshd: Command, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the convert extra")
    metadata = pytest.importorskip("model_registry.convert.metadata")
    file = tmp_path / "watch.onnx"
    assert meshd("models", "export", "ecg-anomaly", "--onnx", file, "--variant", "watch").out == f"{file}\n"
    content = file.read_bytes()
    manifest = metadata.manifest_of(onnx.load_model_from_string(content))
    assert manifest is not None
    watch = manifest.tier("watch")
    artifact = metadata.artifact_in(content)
    assert watch is not None
    assert artifact is not None
    assert (manifest.name, len(artifact)) == ("ecg-anomaly", watch.variants[0].size_bytes)


def test_a_variant_that_is_not_there_offers_those_that_are(meshd: Command, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the convert extra")
    ended = meshd("models", "export", "ecg-anomaly", "--onnx", tmp_path / "x.onnx", "--variant", "watch/fp16")
    assert ended.code == 2
    assert "watch/int8" in ended.err


def test_a_variant_is_exported_by_its_name_alone_if_that_is_unique(
    meshd: Command, bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="needs the convert extra")
    manifest = loads(VALID)
    names = [variant.name for _, variant in manifest.variants()]
    assert names == ["int8", "fp32"]
    assert _chosen(manifest, "int8") is manifest.tiers[0].variants[0]
    (bundle / "manifest.toml").write_text(VALID.replace('"fp32"', '"int8"'))
    ended = meshd("models", "export", bundle, "--onnx", tmp_path / "x.onnx", "--variant", "int8")
    assert (ended.code, "several called int8" in words_of(ended.err)) == (2, True)


@pytest.mark.parametrize("command", ["check", "show", "add"])
def test_a_model_in_place_of_a_manifest_is_told_to_be_imported(
    meshd: Command, daemon: FakeDaemon, tmp_path: Path, command: str
) -> None:
    model = tmp_path / "back.onnx"
    model.write_bytes(b"\x08\x0a\xff")
    ended = meshd("models", command, model)
    assert (ended.code, daemon.asked) == (1, [])
    assert "is an ONNX file." in words_of(ended.err)
    assert "meshd models import" in words_of(ended.err)


def test_a_plain_name_is_the_nodes_model_and_a_path_the_folder(
    meshd: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "meshd.toml"
    config.write_text('[node]\nstate_dir = "state"\n[models]\npinned = ["ecg-anomaly"]\n')
    folder = write_bundle(tmp_path / "ecg-anomaly")
    with_folder_alone = meshd("models", "show", "ecg-anomaly", "--config", config)
    assert f"found in {Path('ecg-anomaly/manifest.toml')}" in words_of(with_folder_alone.out)
    ModelStore(tmp_path / "state" / "models").add(folder / "manifest.toml")
    (folder / "manifest.toml").write_text(VALID.replace('"1.0.0"', '"2.0.0"'))

    own = meshd("models", "show", "ecg-anomaly", "--config", config)
    assert own.err == "'ecg-anomaly' is this node's model here. For the folder, name ./ecg-anomaly\n"
    assert "ecg-anomaly 1.0.0" in own.out
    assert "pinned it never goes from this node" in words_of(own.out)
    named = meshd("models", "show", "./ecg-anomaly", "--config", config)
    assert "ecg-anomaly 2.0.0" in named.out
    assert "pinned" not in named.out
