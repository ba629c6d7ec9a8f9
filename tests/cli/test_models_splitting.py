"""`meshd models split`: what it prints, where, and how it ends."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry import manifest as manifests
from model_registry.extra import installing
from tests.cli.conftest import Command
from tests.registry.partition.bundles import write
from tests.registry.partition.test_bundle_splitting import net, one_node


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write(tmp_path / "net", {"plain": net(), "tiny": one_node()})
    return tmp_path / "net"


def test_a_split_shows_its_places_and_why_the_rest_stays_whole(meshd: Command, bundle: Path) -> None:
    ended = meshd("models", "split", bundle)

    assert ended.code == 0
    assert "hub/plain" in ended.out
    assert "the same bits" in ended.out
    assert "hub/tiny stays whole: It has no place" in ended.err
    assert meshd("models", "check", bundle).code == 0


def test_json_has_every_place_as_the_manifest_has_it(meshd: Command, bundle: Path) -> None:
    document = json.loads(meshd("models", "split", bundle, "--json", "--cuts", "1").out)

    (found,) = document["variants"]
    manifest = manifests.load(bundle / "manifest.toml")
    split = manifest.tiers[0].variants[0].split
    assert split is not None
    assert found["artifact"] == manifest.tiers[0].variants[0].artifact
    assert [cut["nodes"] for cut in found["split"]["cuts"]] == [cut.nodes for cut in split.cuts]
    assert [*document["whole"]] == ["hub/tiny"]
    assert set(found["timed"][0]) == {"head_ms", "tail_ms", "whole_ms", "ratio"}


def test_what_cannot_be_cut_ends_with_a_reason_and_a_hint(meshd: Command, bundle: Path) -> None:
    ended = meshd("models", "split", bundle, "--variant", "tiny")

    assert (ended.code, ended.out) == (1, "")
    assert "hub/tiny: It has no place to cut it at." in ended.err
    assert "The bundle is as it was." in ended.err


def test_what_is_no_bundle_is_told_with_how_to_make_one(meshd: Command, tmp_path: Path) -> None:
    model, empty, missing = tmp_path / "net.tflite", tmp_path / "empty", tmp_path / "nett"
    model.write_bytes(b"x")
    empty.mkdir()
    for named, told in (
        (model, f"Make a bundle of it first: meshd models import {model}"),
        (empty, "is no bundle: it holds no manifest.toml."),
        (missing, f"There is no folder {missing}."),
    ):
        ended = meshd("models", "split", named)
        assert (ended.code, ended.out) == (1, "")
        assert told in " ".join(ended.err.split())


def test_an_unsigned_bundle_ends_with_what_to_do_next(meshd: Command, bundle: Path) -> None:
    ended = meshd("models", "split", bundle)
    assert ended.err.splitlines()[-1] == f"Next: meshd models sign {bundle}, and meshd models add {bundle}"


def test_a_void_signature_is_told_with_what_to_do(meshd: Command, bundle: Path) -> None:
    meshd("models", "publisher")
    meshd("models", "sign", bundle)

    ended = meshd("models", "split", bundle)

    assert f"Sign it again: meshd models sign {bundle}" in ended.err


def test_no_bundle_there_is_told(meshd: Command, tmp_path: Path) -> None:
    assert meshd("models", "split", tmp_path / "nothing").code == 1


def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    meshd: Command, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [
        name for name in sys.modules if name.startswith(("model_registry.partition", "meshd.cli.view.split"))
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "onnx", None)  # What Python does for a module that is not there.
    ended = meshd("models", "split", bundle)
    assert ended.err.splitlines() == [
        "meshd: Splitting a model needs 'onnx', which is not installed.",
        f"Run: {installing('convert')}",
    ]
