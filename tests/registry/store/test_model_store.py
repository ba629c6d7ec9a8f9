import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.bundle import open_member, path_flaw
from model_registry.errors import ArtifactCorrupt, ArtifactMissing, BundleError, ManifestError, ModelUnknown, StoreFull
from model_registry.manifest import load, loads
from model_registry.store import ModelStore, bundled_models
from tests.registry.manifests import HUB_MODEL, VALID, WATCH_MODEL, sha256


def visible(store: ModelStore) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def test_an_added_bundle_is_found_by_name_and_its_artifacts_by_hash(store: ModelStore, bundle: Path) -> None:
    manifest = store.add(bundle)
    assert store.models() == ("ecg-anomaly",)
    assert store.open("ecg-anomaly") == manifest == loads(VALID)
    assert store.artifact_path(sha256(WATCH_MODEL)).read_bytes() == WATCH_MODEL
    assert store.read_artifact(sha256(HUB_MODEL)) == HUB_MODEL


def test_a_manifest_file_may_be_added_under_any_name(store: ModelStore, bundle: Path) -> None:
    (bundle / "manifest.toml").rename(bundle / "ecg.toml")
    assert store.add(bundle / "ecg.toml") == loads(VALID)


def test_nothing_but_whole_files_under_their_names_is_left(store: ModelStore, bundle: Path) -> None:
    store.add(bundle)
    store.add(bundle)
    hashes = sorted([sha256(WATCH_MODEL), sha256(HUB_MODEL)])
    assert visible(store) == [
        *(f"artifacts/{each}" for each in hashes),
        "models/ecg-anomaly.toml",
        *(f"pieces/{each}" for each in hashes),
    ]


def test_a_store_opened_again_knows_what_was_added(store: ModelStore, bundle: Path) -> None:
    store.add(bundle)
    assert ModelStore(store.root).models() == ("ecg-anomaly",)


def test_an_unknown_model_is_refused_with_the_likely_one(store: ModelStore, bundle: Path) -> None:
    with pytest.raises(ModelUnknown, match="It is empty: add a model first"):
        store.open("ecg-anomaly")
    store.add(bundle)
    with pytest.raises(ModelUnknown, match=r"Did you mean 'ecg-anomaly'\?"):
        store.open("ecg-anomly")


def test_an_artifact_that_was_never_added_is_missing(store: ModelStore) -> None:
    with pytest.raises(ArtifactMissing, match="Add its model again"):
        store.artifact_path(sha256(b"never added"))


@pytest.mark.parametrize("name", ["../models/ecg-anomaly.toml", "", ".", "/etc/passwd"])
def test_what_is_no_hash_never_becomes_a_path(store: ModelStore, bundle: Path, name: str) -> None:
    store.add(bundle)
    with pytest.raises(ArtifactMissing):
        store.read_artifact(name)


@pytest.mark.parametrize("flipped", range(len(WATCH_MODEL)))
def test_one_flipped_byte_anywhere_is_found_before_anything_is_loaded(
    store: ModelStore, bundle: Path, flipped: int
) -> None:
    store.add(bundle)
    path = store.artifact_path(sha256(WATCH_MODEL))
    damaged = bytearray(WATCH_MODEL)
    damaged[flipped] ^= 1
    path.write_bytes(damaged)
    for read in (store.artifact_path, store.read_artifact):
        with pytest.raises(ArtifactCorrupt) as caught:
            read(sha256(WATCH_MODEL))
        assert caught.value.path == path
        assert (caught.value.expected, caught.value.found) == (sha256(WATCH_MODEL), sha256(bytes(damaged)))
        assert "Add the model again" in str(caught.value)


def test_adding_the_model_again_repairs_a_corrupt_artifact(store: ModelStore, bundle: Path) -> None:
    store.add(bundle)
    store.artifact_path(sha256(WATCH_MODEL)).write_bytes(b"damaged")
    store.add(bundle)
    assert store.read_artifact(sha256(WATCH_MODEL)) == WATCH_MODEL


@pytest.mark.parametrize("content", [b"other weights, same  ", WATCH_MODEL + b"!", WATCH_MODEL[:-1], b""])
def test_a_file_that_is_not_the_named_artifact_is_refused_and_nothing_becomes_visible(
    store: ModelStore, bundle: Path, content: bytes
) -> None:
    (bundle / "artifacts" / "watch.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="is not the artifact that the manifest names"):
        store.add(bundle)
    assert visible(store) == []


def test_a_file_is_read_no_further_than_its_stated_size_allows(store: ModelStore, bundle: Path) -> None:
    with (bundle / "artifacts" / "watch.onnx").open("wb") as huge:
        huge.truncate(1 << 40)  # A sparse terabyte: reading all of it would run into the time limit.
    with pytest.raises(BundleError, match="expected 20 bytes"):
        store.add(bundle)


def test_a_missing_file_is_refused(store: ModelStore, bundle: Path) -> None:
    (bundle / "artifacts" / "hub.onnx").unlink()
    with pytest.raises(BundleError, match=r"has no file 'artifacts/hub\.onnx'"):
        store.add(bundle)
    assert store.models() == ()


@pytest.mark.parametrize("linked", ["artifacts/watch.onnx", "artifacts", "manifest.toml"])
def test_no_symbolic_link_is_followed(store: ModelStore, bundle: Path, linked: str) -> None:
    outside = bundle.parent / "outside"
    (bundle / linked).rename(outside)
    (bundle / linked).symlink_to(outside)
    with pytest.raises(BundleError, match="symbolic link"):
        store.add(bundle)
    assert visible(store) == []


@given(st.text(min_size=1))
def test_a_path_is_refused_or_stays_inside_the_bundle(file: str) -> None:
    root = Path("/bundle")
    if not path_flaw(file):
        inside = Path(os.path.normpath(root / file))
        assert root in inside.parents


@pytest.mark.parametrize("file", ["/etc/passwd", "../x", "a/../../x", "C:\\x", "a\\b", ".", "./a", "a//b", "a/"])
def test_a_path_that_is_not_plain_and_relative_is_refused(file: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError), open_member(tmp_path, file):
        pass


def test_a_manifest_that_is_not_text_is_refused(store: ModelStore, bundle: Path) -> None:
    (bundle / "manifest.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ManifestError, match="not UTF-8"):
        store.add(bundle)


def test_a_write_that_fails_half_way_leaves_nothing_visible(
    store: ModelStore, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull, match="No space left"):
        store.add(bundle)
    assert visible(store) == []


def test_a_manifest_becomes_visible_after_all_its_artifacts(
    store: ModelStore, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    replace = Path.replace

    def recorded(path: Path, target: Path) -> Path:
        order.append(target.parent.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", recorded)
    store.add(bundle)
    assert order == ["pieces", "artifacts", "pieces", "artifacts", "models"]


def test_every_shipped_model_installs_and_verifies(store: ModelStore) -> None:
    assert "ecg-anomaly" in bundled_models()
    for name in bundled_models():
        manifest = store.install_bundled(name)
        assert store.open(name) == manifest
        assert all(len(store.read_artifact(v.artifact)) == v.size_bytes for _, v in manifest.variants())


def test_a_model_that_does_not_ship_is_unknown(store: ModelStore) -> None:
    with pytest.raises(ModelUnknown, match="No model 'toaster' ships"):
        store.install_bundled("toaster")


def test_a_shipped_manifest_is_read_in_place() -> None:
    for name, folder in bundled_models().items():
        assert load(Path(str(folder)) / "manifest.toml").name == name
