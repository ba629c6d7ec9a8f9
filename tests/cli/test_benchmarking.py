"""`meshd bench` says at once what is wrong with its options: what it measures takes minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command


def told(words: str) -> str:
    """A usage message as one line, without its frame."""
    return " ".join(words.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--picture", "plans.txt"), "plans.txt is neither .svg nor .png."),
        (("--picture", "nowhere/plans.svg"), "there is no folder nowhere to write it in."),
        (("--vision", "nowhere"), "'nowhere' does not exist."),
        (("--maps", "maps", "--plans"), "with it only maps are drawn; of the other options --vision alone counts."),
        (("--maps", "maps", "--picture", "plans.svg"), "with it only maps are drawn"),
    ],
)
def test_what_cannot_be_drawn_or_read_is_told_before_anything_is_measured(
    meshd: Command, words: tuple[str, ...], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    ended = meshd("bench", *words)
    assert (ended.code, ended.out) == (2, "")
    assert why in told(ended.err)
    assert not (tmp_path / "maps").exists()


def test_a_folder_for_maps_that_cannot_be_made_is_told(meshd: Command, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the convert extra")
    (tmp_path / "file").write_text("")
    ended = meshd("bench", "--maps", tmp_path / "file" / "maps")
    assert (ended.code, ended.out) == (1, "")
    assert "maps cannot be made: Not a directory." in ended.err
