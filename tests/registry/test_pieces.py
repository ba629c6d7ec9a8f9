import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.pieces import MOST_PIECES, SMALLEST_PIECE_BYTES, PieceMap, mendable, piece_bytes

SIZES = st.integers(min_value=1, max_value=2**50)
CONTENTS = st.binary(min_size=1, max_size=64).map(lambda seed: (seed * 20_000)[: 300 * len(seed)])


@given(SIZES)
def test_pieces_are_as_small_as_disk_blocks_until_there_would_be_too_many(size_bytes: int) -> None:
    length = piece_bytes(size_bytes)
    assert length.bit_count() == 1
    assert -(-size_bytes // length) <= MOST_PIECES
    assert length == SMALLEST_PIECE_BYTES or -(-size_bytes // (length // 2)) > MOST_PIECES


@given(CONTENTS)
def test_the_pieces_are_all_of_the_artifact_one_after_the_other(content: bytes) -> None:
    piece_map = PieceMap.of(content)
    extents = [piece_map.extent(index) for index in range(piece_map.count)]
    assert b"".join(content[start : start + length] for start, length in extents) == content
    assert all(piece_map.matches(i, content[start : start + length]) for i, (start, length) in enumerate(extents))


@given(CONTENTS, st.data())
def test_a_flipped_bit_is_in_one_piece_and_in_no_other(content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content) - 1))
    changed = content[:at] + bytes([content[at] ^ 1 << data.draw(st.integers(0, 7))]) + content[at + 1 :]
    piece_map = PieceMap.of(content)
    extents = [piece_map.extent(index) for index in range(piece_map.count)]
    damaged = [
        index for index, (start, length) in enumerate(extents)
        if not piece_map.matches(index, changed[start : start + length])
    ]  # fmt: skip
    assert damaged == [at // piece_bytes(len(content))]


def test_an_index_beyond_the_map_matches_nothing() -> None:
    piece_map = PieceMap.of(b"weights")
    assert not piece_map.matches(1, b"")
    assert not piece_map.matches(-1, b"weights")


def test_a_stream_has_the_map_of_its_content_wherever_it_stands() -> None:
    stream = BytesIO(b"w" * 10_000)
    stream.seek(77)
    assert PieceMap.of(stream) == PieceMap.of(b"w" * 10_000)


@given(CONTENTS)
def test_a_map_comes_out_of_its_encoding_as_it_went_in(content: bytes) -> None:
    piece_map = PieceMap.of(content)
    assert PieceMap.decoded(piece_map.encoded) == piece_map


@given(st.binary(max_size=200))
def test_bytes_are_a_piece_map_or_refused(encoded: bytes) -> None:
    try:
        piece_map = PieceMap.decoded(encoded)
    except ValueError:
        return
    assert piece_map.encoded == encoded


def test_the_root_says_how_it_is_made_so_that_other_vendors_find_the_same() -> None:
    digests = hashlib.sha256(b"w" * 4096).digest() + hashlib.sha256(b"w" * 904).digest()
    encoded = (5000).to_bytes(8, "big") + digests
    assert PieceMap.of(b"w" * 5000).root == hashlib.sha256(b"meshd pieces v1\n" + encoded).hexdigest()


@pytest.mark.parametrize(("pieces", "most"), [(1, 1), (19, 1), (20, 1), (40, 2), (59, 2), (640, 32)])
def test_one_damaged_piece_can_always_be_mended_and_of_many_five_in_a_hundred(pieces: int, most: int) -> None:
    assert mendable(most, pieces)
    assert not mendable(most + 1, pieces)
