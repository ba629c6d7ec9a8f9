"""What a person sees of a world."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from policies.scenario import family_names
from policies.scenario.__main__ import app, main


def test_the_families_are_listed() -> None:
    shown = CliRunner().invoke(app, ["list"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in family_names())


@pytest.mark.parametrize("name", ["home", "sixty_four_nodes"])
def test_a_world_is_printed_and_drawn(tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra 'train'")
    picture = tmp_path / "world.png"
    shown = CliRunner().invoke(app, ["show", name, "--seed", "1", "--picture", str(picture)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert f"{name} 1" in shown.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_mistake_ends_in_two_lines_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["scenario", "show", "hone"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == ["There is no family 'hone'.", "Did you mean 'home'?"]
