"""What a store does about artifacts that changed on its disk."""

import errno
import os
from pathlib import Path

import pytest

from model_registry.errors import ArtifactCorrupt, ArtifactMissing
from model_registry.pieces import PieceMap
from model_registry.store import ModelStore
from tests.registry.manifests import WATCH_MODEL, sha256
from tests.registry.store.contents import LARGE, cut, damage, download, flipped

MAP, PIECES, HASH = PieceMap.of(LARGE), cut(LARGE), sha256(LARGE)


@pytest.fixture
def held(store: ModelStore) -> ModelStore:
    download(store, LARGE)
    return store


def damaged(store: ModelStore) -> list[int]:
    pieces = store.damaged(HASH)
    assert store.is_whole(HASH) == (not pieces)
    return list(pieces)


def overwrite(store: ModelStore, content: bytes) -> None:
    (store.root / "artifacts" / HASH).write_bytes(content)


@pytest.mark.parametrize("at", [0, 4095, 4096, 3 * 4096, len(LARGE) - 1])
def test_a_flipped_byte_is_found_in_its_piece_and_mended_by_that_piece(held: ModelStore, at: int) -> None:
    damage(held, LARGE, at)
    assert damaged(held) == [at // 4096]
    held.repair(HASH, {at // 4096: PIECES[at // 4096]})
    assert damaged(held) == []
    assert held.read_artifact(HASH) == LARGE


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        (LARGE[:-1], [3]),
        (LARGE[:5000], [1, 2, 3]),
        (b"", [0, 1, 2, 3]),
        (LARGE + b"!", [3]),
        (b"!" + LARGE, [0, 1, 2, 3]),
    ],
)
def test_a_file_that_shrank_or_grew_is_damaged_where_it_did(
    held: ModelStore, content: bytes, pieces: list[int]
) -> None:
    overwrite(held, content)
    assert damaged(held) == pieces
    held.repair(HASH, {index: PIECES[index] for index in pieces})
    assert held.read_artifact(HASH) == LARGE


def test_damaged_bytes_are_never_served(held: ModelStore) -> None:
    damage(held, LARGE, at=5000)
    assert held.read_pieces(HASH, 2, 2) == LARGE[2 * 4096 :]
    with pytest.raises(ArtifactCorrupt, match="piece 1 changed"):
        held.read_pieces(HASH, 0, 4)


@pytest.mark.parametrize(("first", "count"), [(4, 1), (0, 5), (-1, 1)])
def test_pieces_that_the_artifact_does_not_have_are_missing(held: ModelStore, first: int, count: int) -> None:
    with pytest.raises(ArtifactMissing, match="has no piece"):
        held.read_pieces(HASH, first, count)


def test_what_does_not_make_it_whole_changes_nothing(held: ModelStore) -> None:
    damage(held, LARGE, at=5000)
    held.quarantine(HASH, "damaged")
    for wrong in ({}, {0: PIECES[0]}, {1: flipped(PIECES[1], 9)}, {1: PIECES[1], 2: PIECES[3]}):
        with pytest.raises(ArtifactCorrupt):
            held.repair(HASH, wrong)
    assert (damaged(held), held.quarantined()) == ([1], {HASH: "damaged"})


def test_a_block_that_the_disk_cannot_read_is_damage_like_any_other(
    held: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread, damaged_file = os.pread, held.artifact_path(HASH).stat().st_ino

    def read(descriptor: int, length: int, start: int) -> bytes:
        if os.fstat(descriptor).st_ino == damaged_file and start <= 2 * 4096 < start + length:
            raise OSError(errno.EIO, "Input/output error")
        return pread(descriptor, length, start)

    monkeypatch.setattr(os, "pread", read)
    assert damaged(held) == [2]
    held.repair(HASH, {2: PIECES[2]})
    monkeypatch.undo()
    assert held.read_artifact(HASH) == LARGE


@pytest.mark.parametrize("at", range(32 + 8 + 4 * 32))
def test_a_damaged_piece_map_is_made_again_and_never_taken_for_a_damaged_artifact(held: ModelStore, at: int) -> None:
    path = held.root / "pieces" / HASH
    path.write_bytes(flipped(path.read_bytes(), at))
    assert damaged(held) == []
    assert held.piece_map(HASH) == MAP


def test_without_its_map_a_damaged_artifact_is_corrupt_as_a_whole(held: ModelStore) -> None:
    damage(held, LARGE)
    (held.root / "pieces" / HASH).unlink()
    with pytest.raises(ArtifactCorrupt):
        damaged(held)


def test_nobody_uses_what_is_quarantined_and_the_reason_outlives_the_process(held: ModelStore) -> None:
    held.quarantine(HASH, "it answers wrongly")
    store = ModelStore(held.root)
    assert store.quarantined() == {HASH: "it answers wrongly"}
    assert not store.holds(HASH)
    assert store.artifacts() == {}
    for use in (store.read_artifact, store.artifact_path, lambda sha256: store.read_pieces(sha256, 0, 1)):
        with pytest.raises(ArtifactMissing, match="in quarantine: it answers wrongly"):
            use(HASH)
    store.release(HASH)
    assert store.read_artifact(HASH) == LARGE


def test_what_is_still_damaged_is_not_released(held: ModelStore) -> None:
    damage(held, LARGE)
    held.quarantine(HASH, "damaged")
    with pytest.raises(ArtifactCorrupt):
        held.release(HASH)
    assert held.quarantined() == {HASH: "damaged"}


def test_bringing_a_whole_artifact_again_does_not_lift_its_quarantine(store: ModelStore, bundle: Path) -> None:
    store.add(bundle)
    store.quarantine(sha256(WATCH_MODEL), "it answers wrongly")
    store.add(bundle)
    download(store, WATCH_MODEL)
    store.repair(sha256(WATCH_MODEL), {})
    assert store.quarantined() == {sha256(WATCH_MODEL): "it answers wrongly"}
