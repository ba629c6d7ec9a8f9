"""A file is whole, or as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.draft import draft_of


def broken_off(path: Path) -> None:
    with draft_of(path) as draft:
        draft.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt


def test_what_is_broken_off_leaves_what_was_there_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "last.zip"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        broken_off(path)
    assert {entry.name: entry.read_text(encoding="utf-8") for entry in tmp_path.iterdir()} == {"last.zip": "before"}


def test_what_is_whole_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "last.zip"
    path.write_text("before", encoding="utf-8")
    with draft_of(path) as draft:
        draft.write_text("after", encoding="utf-8")
    assert {entry.name: entry.read_text(encoding="utf-8") for entry in tmp_path.iterdir()} == {"last.zip": "after"}
