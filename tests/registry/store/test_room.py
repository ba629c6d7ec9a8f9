import os
import time
from pathlib import Path

import pytest

from model_registry.errors import ModelUnknown, StoreFull
from model_registry.pieces import PieceMap
from model_registry.store import ModelStore
from tests.registry.manifests import HUB_MODEL, VALID, WATCH_MODEL, sha256
from tests.registry.store.contents import LARGE, bundle_of, download, manifest_of

WATCH, HUB, OTHER = sha256(WATCH_MODEL), sha256(HUB_MODEL), sha256(LARGE)
HELD_BYTES = len(WATCH_MODEL) + len(HUB_MODEL) + len(LARGE)


@pytest.fixture
def full(store: ModelStore, bundle: Path) -> ModelStore:
    """A store with three artifacts; the hub's was used first, then the one without a manifest, then the watch's."""
    store.add(bundle)
    download(store, LARGE)
    for age_s, artifact in enumerate((WATCH, OTHER, HUB)):
        os.utime(store.root / "artifacts" / artifact, (time.time() - age_s, time.time() - age_s))
    return store


@pytest.mark.parametrize(
    ("needed_bytes", "gone"),
    [
        (0, ()),
        (1, (HUB,)),
        (len(HUB_MODEL), (HUB,)),
        (len(HUB_MODEL) + 1, (HUB, OTHER)),
        (HELD_BYTES, (HUB, OTHER, WATCH)),
    ],
)
def test_what_was_unused_for_longest_goes_first_and_no_more_than_needed(
    full: ModelStore, needed_bytes: int, gone: tuple[str, ...]
) -> None:
    assert full.make_room(needed_bytes, HELD_BYTES, ()) == gone
    assert full.artifacts().keys() == {WATCH, OTHER, HUB} - set(gone)


def test_using_an_artifact_saves_it_even_after_a_restart(full: ModelStore) -> None:
    full.used(HUB)
    assert ModelStore(full.root).make_room(1, HELD_BYTES, ()) == (OTHER,)


def test_pinned_models_never_go_and_when_they_leave_no_room_nothing_goes(full: ModelStore) -> None:
    assert full.make_room(1, HELD_BYTES, {"ecg-anomaly"}) == (OTHER,)
    before = full.artifacts()
    with pytest.raises(StoreFull, match=r"only pinned models .* are left"):
        full.make_room(HELD_BYTES, HELD_BYTES, {"ecg-anomaly"})
    assert full.artifacts() == before


def test_a_download_that_has_begun_counts(full: ModelStore) -> None:
    full.incoming(sha256(b"to come"), PieceMap.of(b"to come")).close()
    assert full.make_room(0, HELD_BYTES, ()) == (HUB,)


def test_a_model_whose_artifact_went_is_still_known(full: ModelStore) -> None:
    full.make_room(1, HELD_BYTES, ())
    assert full.open("ecg-anomaly").name == "ecg-anomaly"
    assert [full.holds(artifact) for artifact in (WATCH, HUB)] == [True, False]


def test_a_removed_model_takes_along_what_no_other_model_needs(store: ModelStore, bundle: Path, tmp_path: Path) -> None:
    store.add(bundle)
    other = bundle_of(tmp_path / "other", LARGE)
    (other / "manifest.toml").write_text(manifest_of(LARGE).replace('name = "ecg-anomaly"', 'name = "other"'))
    store.add(other)
    store.remove("ecg-anomaly")
    assert store.models() == ("other",)
    assert store.artifacts().keys() == {WATCH, OTHER}
    with pytest.raises(ModelUnknown):
        store.remove("ecg-anomaly")


def test_a_new_version_takes_the_place_of_the_artifacts_of_the_former(store: ModelStore, tmp_path: Path) -> None:
    store.add(bundle_of(tmp_path / "first", HUB_MODEL))
    store.add(bundle_of(tmp_path / "second", LARGE, version="2.0.0"))
    assert store.open("ecg-anomaly").version == "2.0.0"
    assert store.artifacts().keys() == {WATCH, OTHER}


def test_a_manifest_may_be_there_with_some_of_its_artifacts(store: ModelStore) -> None:
    download(store, HUB_MODEL)
    manifest = store.add_manifest(VALID)
    assert store.open("ecg-anomaly") == manifest
    assert [store.holds(variant.artifact) for _, variant in manifest.variants()] == [False, True]


def test_an_artifact_waits_a_week_for_its_manifest(store: ModelStore) -> None:
    download(store, LARGE)
    assert ModelStore(store.root).holds(OTHER)
    os.utime(store.root / "artifacts" / OTHER, (0, 0))
    assert not ModelStore(store.root).holds(OTHER)
