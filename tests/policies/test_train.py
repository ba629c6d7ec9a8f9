from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")

from policies.train import main


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        ("widht=32", "There is no hyperparameter widht."),
        ("width=wide", "A hyperparameter is no such number"),
        ("width=64", "A network of 3 members of width 64 would be a file of"),
    ],
)
def test_a_hyperparameter_that_cannot_be_is_told_before_anything_begins(
    wished: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train", "--out", str(tmp_path / "run"), "--set", wished])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
