"""What a disk refuses, and two processes at one store."""

import errno
import os
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from model_registry.errors import (
    ArtifactMissing,
    ModelUnknown,
    RegistryError,
    StoreBusy,
    StoreFailed,
    StoreFull,
    StoreReadOnly,
)
from model_registry.pieces import PieceMap
from model_registry.store import ModelStore, disk
from tests.registry.manifests import VALID, WATCH_MODEL, sha256
from tests.registry.store.contents import LARGE, bundle_of, cut, damage, download
from tests.registry.store.death import dies

HASH = sha256(LARGE)
CHANGES: dict[str, Callable[[ModelStore, Path], object]] = {
    "add": lambda store, bundle: store.add(bundle),
    "add_manifest": lambda store, _: store.add_manifest(VALID),
    "repair": lambda store, _: store.repair(HASH, {0: cut(LARGE)[0]}),
    "quarantine": lambda store, _: store.quarantine(HASH, "damaged"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreReadOnly),
        (errno.EACCES, StoreReadOnly),
        (errno.EIO, StoreFailed),
    ],
)
def test_what_the_disk_refuses_is_an_error_of_the_registry_and_changes_nothing(
    store: ModelStore,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    change: str,
    number: int,
    error: type[RegistryError],
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    download(store, LARGE)
    damage(store, LARGE)
    before = files(store)
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(error, match=os.strerror(number)) as caught:
        CHANGES[change](store, bundle)
    assert caught.value.hint
    assert files(store) == before


def test_a_store_that_cannot_be_written_can_be_read(
    store: ModelStore, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    store.add(bundle)
    (store.root / "pieces" / sha256(WATCH_MODEL)).unlink()
    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(disk, "mkstemp", refuse)
    read_only = ModelStore(store.root)
    assert read_only.models() == ("ecg-anomaly",)
    assert read_only.read_artifact(sha256(WATCH_MODEL)) == WATCH_MODEL
    assert read_only.piece_map(sha256(WATCH_MODEL)) == PieceMap.of(WATCH_MODEL)
    with pytest.raises(StoreReadOnly, match="cannot be changed"):
        read_only.add_manifest(VALID)


def test_who_waits_too_long_for_another_process_is_told(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_PATIENCE_S", 0.0)
    with disk.changing(store.root), pytest.raises(StoreBusy, match="Another process"):
        store.quarantine(HASH, "damaged")
    store.quarantine(HASH, "damaged")


def test_a_process_and_the_threads_of_another_may_use_one_store_at_once(
    store: ModelStore, bundle: Path, tmp_path: Path
) -> None:
    """Each adds, evicts, removes, damages, repairs and reads at random; nobody ever reads anything but whole files."""
    bundle_of(tmp_path / "second", LARGE, version="2.0.0")
    bundles = [bundle, tmp_path / "second"]
    failures: list[BaseException] = []

    def noted(seed: int) -> None:
        try:
            use_at_random(ModelStore(store.root), bundles, seed)
        except BaseException as error:  # noqa: BLE001  A thread has nobody else to tell.
            failures.append(error)

    child = os.fork()
    if child == 0:
        noted(0)
        os._exit(len(failures))
    threads = [threading.Thread(target=noted, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, os.waitpid(child, 0)[1]) == ([], 0)
    assert not dies(lambda: ModelStore(store.root).add(bundle), before_change=10**6)
    assert not list((store.root / "incoming").iterdir())


def use_at_random(store: ModelStore, bundles: list[Path], seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        match chance.randrange(5):
            case 0:
                store.add(chance.choice(bundles))
            case 1:
                with suppress(StoreFull):  # Downloads that others have begun do not give way.
                    store.make_room(0, chance.randrange(20_000), ())
            case 2:
                with suppress(ModelUnknown):
                    store.remove("ecg-anomaly")
            case 3:
                with suppress(StoreBusy):
                    download(store, LARGE)
            case _:
                read_all(store)


def read_all(store: ModelStore) -> None:
    for name in store.models():
        with suppress(ModelUnknown):
            store.open(name)
    for artifact in store.artifacts():
        with suppress(ArtifactMissing):  # Gone meanwhile.
            assert sha256(store.read_artifact(artifact)) == artifact
            assert store.damaged(artifact) == ()


def files(store: ModelStore) -> dict[str, bytes]:
    found = (path for path in store.root.rglob("*") if path.is_file())
    return {str(path.relative_to(store.root)): path.read_bytes() for path in found}
