"""Whatever a process does to a store, it may die at any moment of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from model_registry.errors import ModelUnknown
from model_registry.manifest import loads
from model_registry.store import ModelStore
from model_registry.store.disk import PARTIAL
from tests.registry.store import contents
from tests.registry.store.contents import LARGE
from tests.registry.store.death import dies

OTHER = LARGE[::-1]
Act = Callable[[ModelStore, Path], object]


class Write(NamedTuple):
    """One kind of write: what lies in the store before, what is done, and at how many moments it is interrupted."""

    before: Act
    act: Act
    moments: int
    """At least. Without a number the test could come to check nothing."""


def nothing(store: ModelStore, bundles: Path) -> None:
    pass


def a_model(store: ModelStore, bundles: Path) -> None:
    store.add(bundles / "first")


def a_damaged_model(store: ModelStore, bundles: Path) -> None:
    a_model(store, bundles)
    contents.damage(store, LARGE, 5000)


def a_quarantined_model(store: ModelStore, bundles: Path) -> None:
    a_damaged_model(store, bundles)
    store.quarantine(hash_of(LARGE), "too much of it is damaged")


def a_whole_quarantined_model(store: ModelStore, bundles: Path) -> None:
    a_model(store, bundles)
    store.quarantine(hash_of(LARGE), "it answers wrongly")


def leftovers(store: ModelStore, bundles: Path) -> None:
    a_model(store, bundles)
    (store.root / "incoming" / f"abc{PARTIAL}").write_bytes(b"half of")
    (store.root / "pieces" / hash_of(OTHER)).write_bytes(b"the map of nothing")


def removed(store: ModelStore, bundles: Path) -> None:
    with suppress(ModelUnknown):  # Killed after the last of it was removed.
        store.remove("ecg-anomaly")


def hash_of(content: bytes) -> str:
    return sha256(content).hexdigest()


def without_map(store: ModelStore, bundles: Path) -> None:
    a_model(store, bundles)
    (store.root / "pieces" / hash_of(LARGE)).unlink()


def mended(store: ModelStore, bundles: Path) -> None:
    store.repair(hash_of(LARGE), {1: contents.cut(LARGE)[1]})


NEW_MANIFEST = contents.manifest_of(LARGE, version="1.1.0")
WRITES = {
    "add": Write(nothing, lambda store, bundles: store.add(bundles / "first"), 55),
    "add over a damaged one": Write(a_quarantined_model, lambda store, bundles: store.add(bundles / "first"), 28),
    "add a new version": Write(a_model, lambda store, bundles: store.add(bundles / "second"), 44),
    "replace the manifest": Write(a_model, lambda store, _: store.add_manifest(NEW_MANIFEST), 12),
    "repair": Write(a_damaged_model, mended, 16),
    "repair what is quarantined": Write(a_quarantined_model, mended, 20),
    "download": Write(a_model, lambda store, _: contents.download(store, OTHER), 30),
    "download what is quarantined": Write(a_quarantined_model, lambda store, _: contents.download(store, LARGE), 27),
    "remove": Write(a_model, removed, 20),
    "make room": Write(a_model, lambda store, _: store.make_room(0, 0, ()), 15),
    "quarantine": Write(a_damaged_model, lambda store, _: store.quarantine(hash_of(LARGE), "damaged"), 10),
    "release": Write(a_whole_quarantined_model, lambda store, _: store.release(hash_of(LARGE)), 7),
    "open": Write(leftovers, lambda store, _: ModelStore(store.root), 15),
    "make a lost piece map": Write(without_map, lambda store, _: store.piece_map(hash_of(LARGE)), 10),
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """In memory where that is to be had: what a death leaves behind is the same there, and syncing costs nothing."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture
def bundles(disk: Path) -> Path:
    contents.bundle_of(disk / "bundles" / "first", LARGE)
    contents.bundle_of(disk / "bundles" / "second", OTHER, version="2.0.0")
    return disk / "bundles"


@pytest.mark.parametrize("name", WRITES)
def test_a_process_may_die_at_any_call_of_a_write_and_only_whole_files_are_seen(
    name: str, bundles: Path, disk: Path
) -> None:
    write = WRITES[name]
    before = ModelStore(disk / "before")
    write.before(before, bundles)
    undisturbed = copied(before, disk / "undisturbed")
    write.act(undisturbed, bundles)
    outcome = contents.visible(undisturbed)

    moments = 0
    while dies(partial(write.act, store := copied(before, disk / "killed"), bundles), before_change=moments + 1):
        moments += 1
        assert_all_is_whole_or_as_before(store, before)
        opened = ModelStore(store.root)
        assert not list((store.root / "incoming").glob(f"*{PARTIAL}"))
        write.act(opened, bundles)
        assert contents.visible(opened) == outcome
    assert moments >= write.moments


def copied(store: ModelStore, folder: Path) -> ModelStore:
    """Return a copy of a store; opening it would sweep away what is to be found there, so it is opened while empty."""
    shutil.rmtree(folder, ignore_errors=True)
    copy = ModelStore(folder)
    shutil.copytree(store.root, folder, dirs_exist_ok=True)
    return copy


def assert_all_is_whole_or_as_before(store: ModelStore, before: ModelStore) -> None:
    was = contents.visible(before)
    for name, content in contents.visible(store).items():
        folder, _, file = name.partition("/")
        if folder == "artifacts":
            assert hash_of(content) == file or was[name] == content
        elif folder == "models":
            assert loads(content.decode()).name == file.removesuffix(".toml")
