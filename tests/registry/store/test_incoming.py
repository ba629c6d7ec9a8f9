import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.errors import ArtifactMissing, DownloadRefused, StoreBusy
from model_registry.pieces import PieceMap
from model_registry.store import ModelStore
from tests.registry.manifests import sha256
from tests.registry.store.contents import LARGE, cut, damage, download, flipped
from tests.registry.store.death import DIED, dies

MAP, PIECES, HASH = PieceMap.of(LARGE), cut(LARGE), sha256(LARGE)


def test_pieces_come_in_any_order_and_the_artifact_appears_when_all_are_there(store: ModelStore) -> None:
    with store.incoming(HASH, MAP) as incoming:
        for index in (3, 0, 2):
            incoming.put(index, PIECES[index])
        assert incoming.missing() == [1]
        with pytest.raises(DownloadRefused, match=r"1 pieces .* have not come yet"):
            incoming.finish()
        assert not store.holds(HASH)
        incoming.put(1, PIECES[1])
        incoming.finish()
    assert store.read_artifact(HASH) == LARGE
    assert store.piece_map(HASH) == MAP
    assert store.begun() == {}


@settings(max_examples=30)
@given(order=st.permutations(range(MAP.count)), stops=st.sets(st.integers(0, MAP.count)))
def test_a_download_goes_on_where_it_was_interrupted(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], stops: set[int]
) -> None:
    store = ModelStore(tmp_path_factory.mktemp("store"))
    incoming = store.incoming(HASH, MAP)
    for done, index in enumerate(order):
        if done in stops:
            incoming.close()
            incoming = ModelStore(store.root).incoming(HASH, MAP)
        assert incoming.missing() == sorted(order[done:])
        incoming.put(index, PIECES[index])
    with incoming:
        incoming.finish()
    assert store.read_artifact(HASH) == LARGE


def test_a_piece_that_was_half_written_when_the_process_died_is_asked_for_again(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite

    def torn(descriptor: int, content: bytes, start: int) -> int:
        write(descriptor, content[: len(content) // 2], start)
        os._exit(DIED)

    def dies_within_a_write() -> None:
        monkeypatch.setattr(os, "pwrite", torn)
        store.incoming(HASH, MAP).put(0, PIECES[0])

    assert dies(dies_within_a_write, before_change=10**6)
    with ModelStore(store.root).incoming(HASH, MAP) as incoming:
        assert incoming.missing() == [0, 1, 2, 3]


@pytest.mark.parametrize("index", [-1, 0, 1, 4, 10**9])
def test_what_is_not_that_piece_is_refused_and_not_written(store: ModelStore, index: int) -> None:
    with store.incoming(HASH, MAP) as incoming:
        with pytest.raises(DownloadRefused, match=f"not piece {index}"):
            incoming.put(index, flipped(PIECES[1], 7))
        assert incoming.missing() == [0, 1, 2, 3]


def test_a_map_of_something_else_brings_nothing_into_the_store(store: ModelStore) -> None:
    other = LARGE[::-1]
    with store.incoming(HASH, PieceMap.of(other)) as incoming:
        for index, content in cut(other).items():
            incoming.put(index, content)
        with pytest.raises(DownloadRefused, match="the piece map was wrong"):
            incoming.finish()
    assert (store.artifacts(), store.begun()) == ({}, {})


def test_a_damaged_copy_spares_its_undamaged_pieces(store: ModelStore) -> None:
    download(store, LARGE)
    damage(store, LARGE, at=5000)
    store.quarantine(HASH, "damaged")
    with store.incoming(HASH, MAP) as incoming:
        assert incoming.missing() == [1]
        incoming.put(1, PIECES[1])
        incoming.finish()
    assert store.read_artifact(HASH) == LARGE
    assert store.quarantined() == {}


def test_two_cannot_download_the_same_artifact_at_once(store: ModelStore) -> None:
    with store.incoming(HASH, MAP), pytest.raises(StoreBusy, match="being downloaded already"):
        ModelStore(store.root).incoming(HASH, MAP)
    with store.incoming(HASH, MAP):
        pass


def test_a_download_begun_takes_its_room_until_it_is_discarded(store: ModelStore) -> None:
    with store.incoming(HASH, MAP) as incoming:
        assert store.begun() == {HASH: len(LARGE)}
        incoming.discard()
    assert store.begun() == {}


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "x" * 64])
def test_what_is_no_hash_never_becomes_a_path(store: ModelStore, name: str) -> None:
    with pytest.raises(ArtifactMissing):
        store.incoming(name, MAP)


def test_a_download_that_everybody_forgot_is_gone_when_the_store_is_opened_a_week_later(
    store: ModelStore, tmp_path: Path
) -> None:
    store.incoming(HASH, MAP).close()
    store.incoming(sha256(b"other"), MAP).close()
    os.utime(store.root / "incoming" / f"{HASH}.download", (0, 0))
    assert ModelStore(store.root).begun().keys() == {sha256(b"other")}


def test_a_download_is_abandoned_only_when_nobody_is_at_it(store: ModelStore) -> None:
    with store.incoming(HASH, MAP) as incoming:
        incoming.put(0, PIECES[0])
        assert not store.abandon(HASH)
        assert store.begun().keys() == {HASH}
    assert store.abandon(HASH)
    assert not store.abandon(HASH)
    assert store.begun() == {}
