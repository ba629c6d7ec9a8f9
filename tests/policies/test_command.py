from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from policies.command import check_writable, run_command
from policies.errors import OutputUnusable


def test_a_file_that_can_be_written_is_left_as_it_was_and_its_folder_is_made(tmp_path: Path) -> None:
    new, old = tmp_path / "deep" / "report.html", tmp_path / "old.html"
    old.write_text("an older page", encoding="utf-8")
    for path in (None, new, old):
        check_writable(path, ".html")
    assert new.parent.is_dir()
    assert not new.exists()
    assert old.read_text(encoding="utf-8") == "an older page"


def test_a_folder_in_the_place_of_a_file_is_told_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(OutputUnusable, match=r"is a folder\. Name a file in it, such as .*/report\.html"):
        check_writable(tmp_path, ".html")


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputUnusable, match=r"report\.html cannot be written"):
        check_writable(tmp_path / "taken" / "report.html", ".html")


def test_a_name_that_ends_as_another_form_does_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputUnusable, match=r"families\.png.*files end in \.svg"):
        check_writable(tmp_path / "families.png", ".svg")


def test_a_path_that_cannot_be_used_ends_a_command_in_two_lines(tmp_path: Path) -> None:
    said = StringIO()
    with pytest.raises(SystemExit, match="1"):
        run_command((tmp_path / "nowhere" / "file").read_bytes, Console(file=said))
    place, hint = said.getvalue().splitlines()
    assert place == f"{tmp_path / 'nowhere' / 'file'}: No such file or directory."
    assert hint.startswith("Check the path")


def test_an_error_of_the_system_that_names_no_file_is_not_hidden() -> None:
    def break_off() -> None:
        raise OSError("no buffer space")

    with pytest.raises(OSError, match="no buffer space"):
        run_command(break_off, Console(file=StringIO()))
